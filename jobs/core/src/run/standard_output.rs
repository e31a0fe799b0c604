//! Standard output of programs whose only work is to print.

use std::io::{self, ErrorKind, Write};

/// Whoever read standard output, such as `head`, closed it: no more is wanted.
#[derive(Debug, thiserror::Error)]
#[error("standard output was closed by its reader")]
struct EnoughRead;

/// Standard output of a program whose only work is to print. Where its reader closes it, writing fails with an error that
/// [`exit_code`](super::exit_code) knows, and the program ends early with 0. Nothing else makes such an error: a pipe that breaks
/// elsewhere, such as an upload that the network cuts, is a failure.
///
/// A job that changes a lake reports through [`Output`](super::Output), which lets it go on.
#[must_use]
pub fn standard_output() -> impl Write + Send {
    Printed(io::stdout())
}

/// Whether an error says that the reader of standard output closed it.
pub(super) fn is_enough_read(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()?.get_ref());
    causes.any(|cause| cause.is::<EnoughRead>())
}

struct Printed<W>(W);

impl<W: Write> Write for Printed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(enough_read)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(enough_read)
    }
}

fn enough_read(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::BrokenPipe => io::Error::new(ErrorKind::BrokenPipe, EnoughRead),
        _ => error,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use anyhow::Context;

    use super::*;

    /// Standard output that fails always in one way.
    pub(in crate::run) struct Fails(pub(in crate::run) ErrorKind);

    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn printing(fails: ErrorKind) -> anyhow::Error {
        writeln!(Printed(Fails(fails)), "a line").context("cannot print").unwrap_err()
    }

    #[test]
    fn only_standard_output_that_was_closed_is_enough_read() {
        assert!(is_enough_read(&printing(ErrorKind::BrokenPipe)));
        assert!(!is_enough_read(&printing(ErrorKind::StorageFull)));
        let upload = anyhow::Error::from(io::Error::from(ErrorKind::BrokenPipe)).context("cannot upload");
        assert!(!is_enough_read(&upload));
    }
}
