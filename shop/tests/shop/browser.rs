//! The shop in a real browser: `shop/tests/browser.py`, driven by Playwright with Debian's
//! Chromium.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::world::World;

/// The three pictures of the guide are taken by this run; STOCK_WRITE_SHOTS=1 puts them into docs.
#[test]
fn a_sale_in_two_browsers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
    let python = target.join("browser/bin/python");
    let known = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    let chromium = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let chromium = chromium.or_else(|| known.iter().map(PathBuf::from).find(|path| path.exists()));
    let (Some(chromium), true) = (chromium, python.exists()) else {
        eprintln!("SKIPPED: no Chromium, or no Playwright in {}: scripts/deps.sh tests", python.display());
        return;
    };
    let world = World::open(&["--units", "1", "--hold-seconds", "8"]);
    let shots = tempfile::tempdir().unwrap();
    let script = root.join("shop/tests/browser.py");
    let run = Command::new(python).arg(script).arg(&world.base).arg(chromium).arg(shots.path()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{said}");
    println!("{said}");
    for name in ["shop-product.png", "shop-order.png", "shop-office.png"] {
        let picture = std::fs::read(shots.path().join(name)).unwrap();
        assert!((5_000..150_000).contains(&picture.len()), "{name} has {} bytes", picture.len());
        if std::env::var_os("STOCK_WRITE_SHOTS").is_some() {
            std::fs::write(root.join("docs/guides/see-it").join(name), picture).unwrap();
        }
    }
}
