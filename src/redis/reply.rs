//! Replies to the client.

use redis_module::raw;

use super::api::Ctx;
use super::handles::CallReply;
use super::kept_refusals;
use super::locked::Locked;
use crate::command::error::CommandError;
use crate::command::host::Out;
use crate::command::reply::WORDS;

/// Replies of the server itself that are one of [`WORDS`] each. Handing one on copies its bytes;
/// from a buffer the server writes the length, the bytes and the end of the line one by one, at
/// three times the price.
static KEPT: Locked<Vec<(&'static str, CallReply)>> = Locked::new(Vec::new());

/// Has the server make the replies that are kept. Where it does not (ECHO may have been renamed),
/// answers are written from buffers.
///
/// # Safety
/// The context lives as long as the process.
pub unsafe fn keep_words(ctx: *mut raw::RedisModuleCtx) {
    for word in WORDS {
        let (start, len) = (word.as_ptr(), word.len());
        // SAFETY: the context is live; the format matches the arguments; the bytes are copied. The
        // reply keeps the context, which lives as long.
        let reply =
            unsafe { CallReply::from_raw(api!(RedisModule_Call(ctx, c"ECHO".as_ptr(), c"b".as_ptr(), start, len))) };
        if let Some(reply) = reply.filter(|reply| reply.text() == Some(word.as_bytes())) {
            KEPT.with(|kept| kept.push((word, reply)));
        }
    }
}

/// Writes the reply of one call, in the client's protocol version.
pub struct Reply<'c>(pub Ctx<'c>);

/// Replies with a reply that is kept.
fn hand_on(ctx: Ctx<'_>, reply: *mut raw::RedisModuleCallReply) {
    // SAFETY: the context is live, and so is the reply: a word is never freed, and a refusal not
    // before another one is looked for.
    unsafe { api!(RedisModule_ReplyWithCallReply(ctx.raw(), reply)) };
}

impl Reply<'_> {
    /// A word that stands elsewhere than in the table.
    #[cold]
    fn other_word(&mut self, word: &str) {
        let same = |(known, _): &&(&str, CallReply)| *known == word;
        match KEPT.with(|kept| kept.iter().find(same).map(|(_, reply)| reply.as_ptr())) {
            Some(reply) => hand_on(self.0, reply),
            None => self.bulk(word.as_bytes()),
        }
    }
}

impl Out for Reply<'_> {
    fn array(&mut self, len: usize) {
        // SAFETY: the context is live.
        unsafe { api!(RedisModule_ReplyWithArray(self.0.raw(), len as _)) };
    }

    fn map(&mut self, len: usize) {
        // SAFETY: the context is live.
        unsafe { api!(RedisModule_ReplyWithMap(self.0.raw(), len as _)) };
    }

    fn int(&mut self, value: i64) {
        // SAFETY: the context is live.
        unsafe { api!(RedisModule_ReplyWithLongLong(self.0.raw(), value)) };
    }

    fn ok(&mut self) {
        // SAFETY: the context is live; the text ends in NUL and is copied.
        unsafe { api!(RedisModule_ReplyWithSimpleString(self.0.raw(), c"OK".as_ptr())) };
    }

    fn bulk(&mut self, bytes: &[u8]) {
        // SAFETY: the context is live; the bytes are copied.
        unsafe { api!(RedisModule_ReplyWithStringBuffer(self.0.raw(), bytes.as_ptr().cast(), bytes.len())) };
    }

    fn word(&mut self, word: &'static str) {
        // Nearly always the very text of the table: the address says so.
        let same = |(known, _): &&(&str, CallReply)| std::ptr::eq(*known, word);
        let kept = KEPT.with(|kept| kept.iter().find(same).map(|(_, reply)| reply.as_ptr()));
        match kept {
            Some(reply) => hand_on(self.0, reply),
            None => self.other_word(word),
        }
    }

    fn sold_out(&mut self, key: &[u8]) -> bool {
        let kept = kept_refusals::find(key);
        if let Some(reply) = kept {
            hand_on(self.0, reply);
        }
        kept.is_some()
    }

    fn nil(&mut self) {
        // SAFETY: the context is live.
        unsafe { api!(RedisModule_ReplyWithNull(self.0.raw())) };
    }

    fn error(&mut self, text: &str) {
        line(self.0, text);
    }
}

/// Replies with an error.
pub fn error(ctx: Ctx<'_>, error: &CommandError) {
    match error {
        // SAFETY: the context is live.
        CommandError::Arity => unsafe {
            api!(RedisModule_WrongArity(ctx.raw()));
        },
        CommandError::Line(text) => line(ctx, text),
    }
}

/// Replies with an error of this text.
pub fn line(ctx: Ctx<'_>, text: &str) {
    let text = std::ffi::CString::new(text).unwrap_or_else(|_| c"ERR internal error".into());
    // SAFETY: the context is live; the text ends in NUL and is copied.
    unsafe { api!(RedisModule_ReplyWithError(ctx.raw(), text.as_ptr())) };
}
