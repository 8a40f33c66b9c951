//! Replies to the client.

use super::api::Ctx;
use crate::command::error::CommandError;
use crate::command::host::Out;

/// The size of a [`CWord`] with its NUL. Longer texts are cut; there are none.
const CWORD_LEN: usize = 64;

/// Writes the reply of one call, in the client's protocol version.
pub struct Reply<'c>(pub Ctx<'c>);

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

/// A short text that ends in NUL, without an allocation.
pub struct CWord([u8; CWORD_LEN]);

impl CWord {
    /// A copy of this text.
    pub fn new(text: &str) -> Self {
        let mut word = [0; CWORD_LEN];
        // The last byte stays NUL.
        let text = text.as_bytes();
        let len = text.len().min(CWORD_LEN - 1);
        word[..len].copy_from_slice(&text[..len]);
        Self(word)
    }

    /// The pointer, for `api!`. Live as long as this value.
    pub fn as_ptr(&self) -> *const std::os::raw::c_char {
        self.0.as_ptr().cast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_ends_in_nul() {
        assert_eq!(&CWord::new("OK").0[..3], b"OK\0");
        assert_eq!(CWord::new(&"x".repeat(100)).0[CWORD_LEN - 1], 0);
    }
}
