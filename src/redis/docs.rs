//! `COMMAND INFO` and `COMMAND DOCS`: the table's description of a command in the server's
//! structures.

use std::ffi::CString;
use std::os::raw::c_char;
use std::ptr::{null, null_mut};

use redis_module::raw;

use super::api;
use crate::command::spec::{Access, Arg, ArgKind, KeyPositions, Spec};

/// The layout of the structures below, which the server needs to read them.
static VERSION: raw::RedisModuleCommandInfoVersion = raw::RedisModuleCommandInfoVersion {
    version: 1,
    sizeof_historyentry: size_of::<raw::RedisModuleCommandHistoryEntry>(),
    sizeof_keyspec: size_of::<raw::RedisModuleCommandKeySpec>(),
    sizeof_arg: size_of::<raw::RedisModuleCommandArg>(),
};

/// Describes a command to the server, which copies everything; false if it refuses.
pub fn describe(command: *mut raw::RedisModuleCommand, spec: &Spec) -> bool {
    let mut arena = Arena::default();
    let mut key_specs = match spec.keys {
        KeyPositions::None => [empty_key_spec(), empty_key_spec(), empty_key_spec()],
        KeyPositions::First | KeyPositions::FirstTwo | KeyPositions::All | KeyPositions::Pairs => {
            [key_spec(spec), empty_key_spec(), empty_key_spec()]
        }
        KeyPositions::Counted(at) => [first_key(spec, at.saturating_add(1)), key_spec(spec), empty_key_spec()],
    };
    let info = raw::RedisModuleCommandInfo {
        version: &VERSION,
        summary: arena.text(spec.summary),
        complexity: arena.text(spec.complexity),
        since: arena.text(spec.since),
        history: null_mut(),
        tips: null(),
        arity: spec.arity,
        key_specs: key_specs.as_mut_ptr(),
        args: arena.args(spec.args),
    };
    // SAFETY: the command came from the server; everything that the description points at lives
    // until the end of this function.
    unsafe { api!(RedisModule_SetCommandInfo(command, &info)) == api::OK }
}

/// What a command does with its keys (`REDISMODULE_CMD_KEY_*`).
pub fn key_flags(spec: &Spec) -> u32 {
    let (access, update) = (raw::REDISMODULE_CMD_KEY_ACCESS, raw::REDISMODULE_CMD_KEY_UPDATE);
    match spec.access {
        Access::Read => raw::REDISMODULE_CMD_KEY_RO | access,
        Access::Write | Access::WriteAllowOom => raw::REDISMODULE_CMD_KEY_RW | access | update,
        Access::WriteNew => raw::REDISMODULE_CMD_KEY_RW | access | raw::REDISMODULE_CMD_KEY_INSERT,
        Access::Replicated => raw::REDISMODULE_CMD_KEY_RW | raw::REDISMODULE_CMD_KEY_INSERT,
    }
}

/// Where the keys are, and what the command does with them.
fn key_spec(spec: &Spec) -> raw::RedisModuleCommandKeySpec {
    if spec.keys == KeyPositions::None {
        return empty_key_spec();
    }
    let mut described = raw::RedisModuleCommandKeySpec { flags: key_flags(spec).into(), ..empty_key_spec() };
    described.begin_search_type = raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_INDEX;
    described.bs.index.pos = if let KeyPositions::Counted(at) = spec.keys { at.into() } else { 1 };
    let range = raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_RANGE;
    // Counted keys are adjacent: Redis up to 8.2 and Valkey 8 compute another step wrongly there.
    let keystep = if spec.keys == KeyPositions::Pairs { 2 } else { 1 };
    match spec.keys {
        KeyPositions::None | KeyPositions::First | KeyPositions::FirstTwo | KeyPositions::All | KeyPositions::Pairs => {
            // Behind the first key: so many more, or up to the last argument.
            let lastkey = match spec.keys {
                KeyPositions::First => 0,
                KeyPositions::FirstTwo => 1,
                KeyPositions::None | KeyPositions::All | KeyPositions::Pairs | KeyPositions::Counted(_) => -1,
            };
            described.find_keys_type = range;
            described.fk.range =
                raw::RedisModuleCommandKeySpec__bindgen_ty_2__bindgen_ty_1 { lastkey, keystep, limit: 0 };
        }
        KeyPositions::Counted(_) => {
            let (keynumidx, firstkey) = (0, 1);
            described.find_keys_type = raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_KEYNUM;
            described.fk.keynum =
                raw::RedisModuleCommandKeySpec__bindgen_ty_2__bindgen_ty_2 { keynumidx, firstkey, keystep };
        }
    }
    described
}

/// The position of the first of counted keys, which is fixed. Servers derive the first key of
/// `COMMAND INFO` from it, by which clients that know no key specs route a call (go-redis, Ruby's).
/// It is no key of its own (`NOT_KEY`): `COMMAND GETKEYS` would list it twice.
fn first_key(spec: &Spec, at: u8) -> raw::RedisModuleCommandKeySpec {
    let flags = key_flags(spec) | raw::REDISMODULE_CMD_KEY_NOT_KEY;
    let mut described = raw::RedisModuleCommandKeySpec { flags: flags.into(), ..empty_key_spec() };
    described.begin_search_type = raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_INDEX;
    described.bs.index.pos = at.into();
    described.find_keys_type = raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_RANGE;
    described.fk.range =
        raw::RedisModuleCommandKeySpec__bindgen_ty_2__bindgen_ty_1 { lastkey: 0, keystep: 1, limit: 0 };
    described
}

/// The end of a list of key specs.
fn empty_key_spec() -> raw::RedisModuleCommandKeySpec {
    // SAFETY: a structure of integers, of unions of integers, and of pointers that may be null.
    unsafe { std::mem::zeroed() }
}

/// The memory that the descriptions point at. A vector is not changed once a pointer to its content
/// was returned.
#[derive(Default)]
struct Arena {
    texts: Vec<CString>,
    lists: Vec<Vec<raw::RedisModuleCommandArg>>,
}

impl Arena {
    fn text(&mut self, text: &str) -> *const c_char {
        let text = CString::new(text).unwrap_or_default();
        let start = text.as_ptr();
        self.texts.push(text);
        start
    }

    fn args(&mut self, args: &[Arg]) -> *mut raw::RedisModuleCommandArg {
        if args.is_empty() {
            return null_mut();
        }
        let mut list: Vec<_> = args.iter().map(|arg| self.arg(arg)).collect();
        list.push(end_of_args());
        let start = list.as_mut_ptr();
        self.lists.push(list);
        start
    }

    fn arg(&mut self, arg: &Arg) -> raw::RedisModuleCommandArg {
        let (kind, subargs) = match arg.kind {
            ArgKind::Key => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_KEY, null_mut()),
            ArgKind::String => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING, null_mut()),
            ArgKind::Integer => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_INTEGER, null_mut()),
            ArgKind::UnixTime => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_UNIX_TIME, null_mut()),
            ArgKind::Token => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PURE_TOKEN, null_mut()),
            ArgKind::OneOf(args) => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_ONEOF, self.args(args)),
            ArgKind::Block(args) => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_BLOCK, self.args(args)),
        };
        let optional = if arg.optional { raw::REDISMODULE_CMD_ARG_OPTIONAL } else { 0 };
        let multiple = if arg.multiple { raw::REDISMODULE_CMD_ARG_MULTIPLE } else { 0 };
        raw::RedisModuleCommandArg {
            name: self.text(arg.name),
            type_: kind,
            key_spec_index: if arg.kind == ArgKind::Key { 0 } else { -1 },
            token: arg.token.map_or(null(), |token| self.text(token)),
            flags: (optional | multiple) as _,
            subargs,
            ..end_of_args()
        }
    }
}

/// The end of a list of arguments.
fn end_of_args() -> raw::RedisModuleCommandArg {
    // SAFETY: a structure of integers and of pointers that may be null.
    unsafe { std::mem::zeroed() }
}
