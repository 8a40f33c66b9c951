//! The client libraries of `clients/`, each driven through one program: clients/README.md has the
//! contract.

mod canned;
mod decode;
mod driver;
mod encode;
mod run;
mod vectors;
