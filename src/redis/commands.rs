//! Registering the commands from the table.

use std::ffi::CString;
use std::os::raw::c_int;

use redis_module::raw;

use super::api::{self, Ctx};
use super::{docs, trampoline};
use crate::command::spec::{Access, KeyPositions, Spec};
use crate::command::TABLE;

/// Registers every command of the table.
///
/// # Errors
/// The text for the server's log: `the command STOCK.… cannot be registered` (another module has
/// one of that name, or the server refuses a flag), or `too many commands`.
pub fn register(ctx: Ctx<'_>) -> Result<(), String> {
    let own_category = add_category(ctx);
    for (index, spec) in TABLE.iter().enumerate() {
        let entry = trampoline::command_fn(index).ok_or("too many commands")?;
        register_one(ctx, spec, entry, own_category)
            .ok_or_else(|| format!("the command {} cannot be registered", spec.name))?;
    }
    Ok(())
}

fn register_one(ctx: Ctx<'_>, spec: &Spec, entry: trampoline::CommandFn, own_category: bool) -> Option<()> {
    let name = CString::new(spec.name).ok()?;
    let (first, last, step) = range(spec.keys);
    let flags = CString::new(flags(spec)).ok()?;
    // SAFETY: the context is live; the strings are copied; the entry fits.
    let command = unsafe {
        let created =
            api!(RedisModule_CreateCommand(ctx.raw(), name.as_ptr(), Some(entry), flags.as_ptr(), first, last, step));
        if created != api::OK {
            return None;
        }
        api!(RedisModule_GetCommand(ctx.raw(), name.as_ptr()))
    };
    let done = !command.is_null() && docs::describe(command, spec) && categorize(command, spec, own_category);
    done.then_some(())
}

/// The flags of a command, as the server spells them. Commands that return units go on when memory
/// is out. A cluster routes by key specs only where the keys have fixed positions; for counted keys
/// it calls the command and asks (`getkeys-api`, see `positions`).
fn flags(spec: &Spec) -> String {
    let access = match spec.access {
        Access::Read => "readonly",
        Access::Write | Access::WriteNew => "write deny-oom",
        Access::WriteAllowOom | Access::Replicated => "write",
    };
    let fast = if spec.fast { " fast" } else { "" };
    let asked = if matches!(spec.keys, KeyPositions::Counted(_)) { " getkeys-api" } else { "" };
    format!("{access}{fast}{asked}")
}

/// First key, last key and step, for clients that know no key specs. Those of counted keys follow
/// from the key specs (`docs::describe`).
fn range(keys: KeyPositions) -> (c_int, c_int, c_int) {
    match keys {
        KeyPositions::First => (1, 1, 1),
        KeyPositions::FirstTwo => (1, 2, 1),
        KeyPositions::All => (1, -1, 1),
        KeyPositions::Pairs => (1, -1, 2),
        KeyPositions::None | KeyPositions::Counted(_) => (0, 0, 0),
    }
}

/// Adds the ACL category `@stock`; false on servers that let modules add none (before Redis 7.4,
/// Valkey 8.0).
fn add_category(ctx: Ctx<'_>) -> bool {
    // SAFETY: the context is live; the name is copied.
    unsafe { raw::RedisModule_AddACLCategory.is_some_and(|add| add(ctx.raw(), c"stock".as_ptr()) == api::OK) }
}

/// Puts a command into its ACL categories; false if the server refuses. Servers before Redis 7.2
/// know no categories for modules: there only rules by command name and by key apply.
fn categorize(command: *mut raw::RedisModuleCommand, spec: &Spec, own_category: bool) -> bool {
    let access = if spec.access == Access::Read { "read" } else { "write" };
    let speed = if spec.fast { "fast" } else { "slow" };
    let own = if own_category { " stock" } else { "" };
    let Ok(categories) = CString::new(format!("{access} {speed}{own}")) else {
        return false;
    };
    // SAFETY: the command came from the server; the text is copied.
    unsafe { raw::RedisModule_SetCommandACLCategories.is_none_or(|set| set(command, categories.as_ptr()) == api::OK) }
}
