//! A flash sale in the browser, sold with redis-stock: a product page, an order page and a back
//! office.
//!
//! In reading order: `stock` (the calls), `shop` (what buyers can do), `web` (the pages), `mark`,
//! `feed` and `entry` (what Redis pushes), `worker` (the order queue), `database`, `look` (the back
//! office's figures), `visitors` (buyers by the thousand), `backstage` (the processes behind it).

pub mod backstage;
pub mod board;
pub mod clock;
pub mod crowd;
pub mod database;
pub mod entry;
pub mod feed;
pub mod look;
pub mod mark;
pub mod office;
pub mod orders;
pub mod shop;
pub mod stock;
pub mod visitors;
pub mod web;
pub mod worker;
