//! The console of Windows. Its line mode, which would edit and show a line, is off; Ctrl-C stays a signal.

use std::io;
use std::os::windows::io::AsRawHandle;
use std::sync::Mutex;
use std::time::Duration;

use windows_sys::Win32::Foundation::{HANDLE, WAIT_OBJECT_0, WAIT_TIMEOUT};
use windows_sys::Win32::System::Console::{
    ENABLE_ECHO_INPUT, ENABLE_LINE_INPUT, GetConsoleMode, INPUT_RECORD, KEY_EVENT, ReadConsoleInputW,
    SetConsoleMode,
};
use windows_sys::Win32::System::Threading::WaitForSingleObject;

/// What the console had before, while somebody types.
static BEFORE: Mutex<Option<u32>> = Mutex::new(None);

fn console() -> HANDLE {
    io::stdin().as_raw_handle().cast()
}

/// Nothing is shown, and every key is passed on as it comes.
#[expect(unsafe_code, reason = "Win32 has no safe wrapper for the mode of a console")]
pub(super) fn quieten() -> io::Result<()> {
    let mut before = 0;
    // SAFETY: the handle is the standard input's, and `before` outlives the call.
    if unsafe { GetConsoleMode(console(), &mut before) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let quiet = before & !(ENABLE_LINE_INPUT | ENABLE_ECHO_INPUT);
    // SAFETY: the handle is the standard input's.
    if unsafe { SetConsoleMode(console(), quiet) } == 0 {
        return Err(io::Error::last_os_error());
    }
    if let Ok(mut known) = BEFORE.lock() {
        known.get_or_insert(before);
    }
    Ok(())
}

/// Gives the console back what it had. May be called at any time, and from any thread.
#[expect(unsafe_code, reason = "Win32 has no safe wrapper for the mode of a console")]
pub(crate) fn restore() {
    // A panic while the lock is held must not wait for itself.
    let before = BEFORE.try_lock().ok().and_then(|mut before| before.take());
    if let Some(before) = before {
        // SAFETY: the handle is the standard input's.
        unsafe { SetConsoleMode(console(), before) };
    }
}

/// Adds what was typed; `false`: nothing within this time. Reads events, since a read of characters would wait on
/// after an event that is none.
#[expect(unsafe_code, reason = "Win32 has no safe wrapper for the events of a console")]
pub(super) fn read(wait: Duration, to: &mut Vec<u8>) -> io::Result<bool> {
    let millis = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX - 1);
    // SAFETY: the handle is the standard input's.
    match unsafe { WaitForSingleObject(console(), millis) } {
        WAIT_OBJECT_0 => {}
        WAIT_TIMEOUT => return Ok(false),
        _ => return Err(io::Error::last_os_error()),
    }
    let mut events: [INPUT_RECORD; 128] = [INPUT_RECORD::default(); 128];
    let mut count = 0;
    // SAFETY: the buffer has the length that is given, and both pointers outlive the call.
    if unsafe { ReadConsoleInputW(console(), events.as_mut_ptr(), events.len() as u32, &mut count) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let units = events[..(count as usize).min(events.len())].iter().filter_map(|event| {
        if u32::from(event.EventType) != KEY_EVENT {
            return None;
        }
        // SAFETY: the type says that it is a key, and every key has a character, or 0.
        let (is_down, unit) =
            unsafe { (event.Event.KeyEvent.bKeyDown, event.Event.KeyEvent.uChar.UnicodeChar) };
        (is_down != 0 && unit != 0).then_some(unit)
    });
    let text: String = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    to.extend_from_slice(text.as_bytes());
    Ok(!text.is_empty())
}
