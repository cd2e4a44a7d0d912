//! Values that come from outside: typed, pasted, or found in a variable or a file. Each kind has one function that
//! reads it, which agent and clients share. What is only spelled in another way is put right, what is in doubt is
//! refused, and the reason never repeats the value, which may be a secret.

pub mod address;
pub mod length;
pub mod name;
pub mod proxy;
pub mod text;
pub mod token;
pub mod token_file;
