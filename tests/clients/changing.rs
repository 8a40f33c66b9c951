//! A cart that changes before it is paid (clients/python/changing_cart.py).

use crate::programs::{clients, printed, python};
use testkit::Server;

const STORY: &str = "\
held: 8 0 1
another size: 8 1 0
refused: SOLDOUT {7}cup:large 8 1 0
a line less: 8 1 1
logged in: basket-4 7 1 1
paid: 2 of the tea, 1 held
too late: True 7 1 1
";

#[test]
fn a_cart_changes_until_it_is_paid() {
    let server = Server::on_port(&[]);
    let mut command = python();
    command.arg(clients("python/changing_cart.py")).arg(format!("redis://127.0.0.1:{}", server.port()));
    assert_eq!(printed(&mut command), STORY);
    let mut client = server.client();
    client.expect_pool("{7}tea", "on_hand=7 reserved=0 sold=3");
    client.expect("STOCK.USAGE {7}tea FOR user guest", "[[limit, user/day/units, used, 0, *]]");
    client.expect("STOCK.USAGE {7}tea FOR user 42", "[[limit, user/day/units, used, 3, *]]");
    for key in ["{7}tea", "{7}cup:small", "{7}cup:large"] {
        client.verify(key);
    }
}
