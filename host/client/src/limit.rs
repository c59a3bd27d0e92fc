// SPDX-License-Identifier: BSD-2-Clause
//! Connections that are good for one TA or one grant, and how they get to another process.

use crate::{Client, Error, Origin};
use client_binding_raw::sys::{self, Limit};
use client_binding_raw::{Tee, pass};
use nix::errno::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use uuid::Uuid;

/// Limits go one way: they can be made narrower, by the same TA's grant, and are never undone. They belong to the open file, so
/// they are there for clones of this connection, for children, and for whoever is sent the descriptor. Who that is stays
/// to be seen by the TEE, which asks who calls, not who made the connection.
///
/// ```no_run
/// use client_binding_client::Client;
/// use std::os::unix::net::UnixListener;
/// use uuid::uuid;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (socket, _) = UnixListener::bind("/run/vault.sock")?.accept()?;
/// let client = Client::connect()?;
/// client.limit_to_ta(uuid!("abfa79a1-ab1a-4690-a804-5b744a19130d"))?;
/// client.send_to(&socket)?;
/// // The other process: let client = Client::receive_from(&socket)?;
/// # Ok(())
/// # }
/// ```
impl Client {
    /// From now on this connection opens sessions with that TA alone; others are refused with
    /// [`Error::AccessDenied`], origin [`Origin::Comms`].
    ///
    /// [`Error::Kernel`] is `EBUSY` if to open a session was tried already, and `EPERM` if the connection
    /// is limited to something else. A nil UUID is [`Error::BadParameters`].
    pub fn limit_to_ta(&self, ta: Uuid) -> Result<(), Error> {
        self.limit(&Limit::to_ta(ta.into_bytes()))
    }

    /// The same for what that grant lends.
    pub fn limit_to_grant(&self, number: u64) -> Result<(), Error> {
        self.limit(&Limit::to_grant(number))
    }

    fn limit(&self, limit: &Limit) -> Result<(), Error> {
        if limit.ta == [0; 16] {
            return Err(Error::BadParameters {
                origin: Origin::Api,
            });
        }
        sys::limit(self.as_fd(), limit).map_err(|errno| match errno {
            // Stock kernels say the first, which ours have no reason for.
            Errno::EINVAL | Errno::ENOTTY => Error::CannotLimit,
            _ => errno.into(),
        })
    }

    /// A connection that another process made. [`Error::NoTee`] if it is something else.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, Error> {
        match sys::implementation(fd.as_fd()) {
            Ok(sys::OPTEE) => Ok(Self(Arc::new(Tee::from(fd)))),
            _ => Err(Error::NoTee),
        }
    }

    /// Sends the descriptor over a UNIX socket.
    pub fn send_to(&self, socket: impl AsFd) -> io::Result<()> {
        Ok(pass::send(socket, self)?)
    }

    /// Waits for a descriptor from [`Client::send_to`].
    pub fn receive_from(socket: impl AsFd) -> io::Result<Self> {
        match pass::receive(socket)? {
            Some(fd) => Self::from_fd(fd).map_err(|_| io::Error::other("what came is no TEE")),
            None => Err(io::Error::other("no descriptor came")),
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::paper;
    use std::fs::File;
    use std::os::unix::net::UnixStream;
    use uuid::uuid;

    #[test]
    fn a_kernel_without_limits_is_told_from_a_mistake() {
        // A file that knows no such ioctl, as an older driver doesn't.
        let (_, client) = paper();
        let ta = uuid!("abfa79a1-ab1a-4690-a804-5b744a19130d");
        assert_eq!(client.limit_to_ta(ta), Err(Error::CannotLimit));
        assert_eq!(client.limit_to_grant(1), Err(Error::CannotLimit));
        let origin = Origin::Api;
        let mistake = Err(Error::BadParameters { origin });
        assert_eq!(client.limit_to_ta(Uuid::nil()), mistake);
    }

    #[test]
    fn only_a_tee_is_taken_for_one() {
        let nothing = || File::open("/dev/null").unwrap();
        let taken = Client::from_fd(nothing().into()).err();
        assert_eq!(taken, Some(Error::NoTee));
        let (ours, theirs) = UnixStream::pair().unwrap();
        pass::send(&theirs, nothing()).unwrap();
        drop(theirs);
        for text in ["what came is no TEE", "no descriptor came"] {
            let error = Client::receive_from(&ours).err().unwrap();
            assert_eq!(error.to_string(), text);
        }
    }
}
