//! Socket activation by launchd.

use std::ffi::{c_char, c_int, c_void};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// The listening socket that launchd hands over under the name `agent` (`launch(3)`). To be called once.
///
/// # Errors
/// What launchd said, unless it is that this process is not its own or has no such socket.
pub(crate) fn handed_over_socket(_announced: bool) -> io::Result<Option<OwnedFd>> {
    const NO_SUCH_NAME: c_int = 2;
    const NOT_FROM_LAUNCHD: c_int = 3;
    #[expect(unsafe_code, reason = "launchd speaks C")]
    // SAFETY: declared as in <launch.h> and <stdlib.h>.
    unsafe extern "C" {
        fn launch_activate_socket(name: *const c_char, sockets: *mut *mut c_int, count: *mut usize) -> c_int;
        fn free(block: *mut c_void);
    }
    let (mut sockets, mut count) = (std::ptr::null_mut(), 0);
    #[expect(unsafe_code, reason = "launchd speaks C")]
    // SAFETY: the name ends with a zero and both results outlive the call. On success launchd gives an
    // array of `count` descriptors, each for this process to own, which is read once and then freed.
    let given = unsafe {
        match launch_activate_socket(c"agent".as_ptr(), &mut sockets, &mut count) {
            0 => {
                let first = (count > 0).then(|| OwnedFd::from_raw_fd(*sockets));
                free(sockets.cast());
                Ok(first)
            }
            error => Err(error),
        }
    };
    match given {
        Ok(socket) => Ok(socket),
        Err(NO_SUCH_NAME | NOT_FROM_LAUNCHD) => Ok(None),
        Err(error) => Err(io::Error::from_raw_os_error(error)),
    }
}
