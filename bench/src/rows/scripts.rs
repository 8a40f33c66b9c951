//! The Lua scripts of `bench/lua`, as a server knows them.

use anyhow::Result;

use crate::client::Connection;

const A: &str = include_str!("../../lua/A.lua");
const B: &str = include_str!("../../lua/B.lua");
const C: &str = include_str!("../../lua/C.lua");
const C2: &str = include_str!("../../lua/C2.lua");
const D: &str = include_str!("../../lua/D.lua");

/// The names under which a server knows the scripts.
pub struct Scripts {
    pub a: String,
    pub b: String,
    pub c: String,
    pub c2: String,
    pub d: String,
}

impl Scripts {
    /// The names of the files, where no server is asked.
    pub fn named() -> Self {
        let name = |name: &str| format!("<sha of {name}.lua>");
        Self { a: name("A"), b: name("B"), c: name("C"), c2: name("C2"), d: name("D") }
    }

    /// Loads the scripts into a server; C2 as a Function, too.
    pub fn load(connection: &mut Connection) -> Result<Self> {
        let function = format!("#!lua name=bench\nredis.register_function('c2', function(KEYS, ARGV)\n{C2}\nend)\n");
        connection.call(&["FUNCTION", "LOAD", "REPLACE", &function])?;
        let mut load = |script: &str| connection.text(&["SCRIPT", "LOAD", script]);
        Ok(Self { a: load(A)?, b: load(B)?, c: load(C)?, c2: load(C2)?, d: load(D)? })
    }
}
