//! Examples in Python: a cart that changes before it is paid (clients/python/changing_cart.py), and
//! a stock room that fills the shop (clients/python/stock_room.py).

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

const STOCK_ROOM: &str = "\
why not:
  3 on hand, 2 held, 1 kept back
  user/life/units: 2 of 2 used
moved: 10 left, 10 to be had
again: True transferred 10 10
too many: SOLDOUT 10 free
why not:
  user/life/units: 2 of 2 used
why not:
  nothing
";

/// Why nobody can buy, and units from another pool (clients/python/stock_room.py).
#[test]
fn a_stock_room_fills_the_shop() {
    let server = Server::on_port(&[]);
    let mut command = python();
    command.arg(clients("python/stock_room.py")).arg(format!("redis://127.0.0.1:{}", server.port()));
    assert_eq!(printed(&mut command), STOCK_ROOM);
    let mut client = server.client();
    client.expect_pool("{8}tea:room", "on_hand=10 out=10");
    client.expect_pool("{8}tea:shop", "on_hand=13 out=-10 reserved=2");
}
