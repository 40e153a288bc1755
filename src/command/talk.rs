//! The talk with a running program: feeding it, hearing it out, and ending it when its time is up. One thread, so that a
//! program that leaves a daemon behind with our pipes in hand cannot hold us.

use crate::command::Group;
use crate::command::OUTPUT_BYTES_MAX;
use crate::command::Ran;
use crate::secret::Secret;
use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::fs::OFlags;
use rustix::process::Signal;
use std::io;
use std::io::PipeWriter;
use std::io::Read;
use std::io::Write;
use std::os::fd::AsFd;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

/// How long a program that was asked to end may take to do so.
const MERCY: Duration = Duration::from_secs(2);
/// How long we sleep at most before we look whether the program has ended.
const TICK: Duration = Duration::from_millis(20);

/// Talks to a program until it ends; nothing where its time was up.
pub(super) fn to(mut group: Group, mut input: Input<'_>, within: Duration) -> io::Result<Option<Ran>> {
    let deadline = Instant::now().checked_add(within);
    let mut output = Ear::new(group.0.stdout.take())?;
    let mut errors = Ear::new(group.0.stderr.take())?;
    loop {
        input.feed()?;
        output.listen()?;
        errors.listen()?;
        if let Some(status) = group.0.try_wait()? {
            output.listen()?;
            errors.listen()?;
            let cut = output.cut || errors.cut;
            return Ok(Some(Ran { exit: status.code(), stdout: output.heard, stderr: errors.heard, cut }));
        }
        let left = deadline.map_or(TICK, |deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            end(&mut group)?;
            return Ok(None);
        }
        wait(input.pipe.as_ref(), &output, &errors, left.min(TICK))?;
    }
}

/// Asks the program to end, and ends it.
fn end(group: &mut Group) -> io::Result<()> {
    group.kill(Signal::TERM);
    let asked = Instant::now();
    while asked.elapsed() < MERCY && !group.has_ended() {
        pause(&mut [], TICK)?;
    }
    // What it started may still be there, whether it ended itself or not. It is not reaped yet, so the group is still its own.
    group.kill(Signal::KILL);
    group.0.wait().map(|_| ())
}

fn pause(pipes: &mut [PollFd<'_>], span: Duration) -> io::Result<()> {
    let span =
        Timespec { tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX), tv_nsec: span.subsec_nanos().into() };
    match rustix::event::poll(pipes, Some(&span)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What a program is given, on its way there.
pub(super) struct Input<'a> {
    pipe: Option<PipeWriter>,
    secret: Option<&'a Secret>,
    fed: usize,
}

impl<'a> Input<'a> {
    /// A pipe that holds it before there is a program: should we die, a program that goes on without us has it whole. One that
    /// found half of a key, or none, would put that in the place of the key that somebody else delivered meanwhile. More than a
    /// pipe takes at once is given as it is read.
    pub(super) fn new(secret: Option<&'a Secret>) -> io::Result<(Self, Stdio)> {
        if secret.is_none() {
            return Ok((Self { pipe: None, secret, fed: 0 }, Stdio::null()));
        }
        let (there, here) = io::pipe()?;
        make_patient(&here)?;
        let mut input = Self { pipe: Some(here), secret, fed: 0 };
        input.feed()?;
        Ok((input, there.into()))
    }

    /// Gives as much as is taken now. Whoever does not want it all: that is its own affair.
    fn feed(&mut self) -> io::Result<()> {
        let (Some(pipe), Some(secret)) = (self.pipe.as_mut(), self.secret) else { return Ok(()) };
        let mut fed = self.fed;
        let done = secret.lend(|bytes| {
            loop {
                let rest = bytes.get(fed..).unwrap_or_default();
                if rest.is_empty() {
                    return Ok(true);
                }
                match pipe.write(rest) {
                    Ok(count) => fed = fed.saturating_add(count),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(true),
                    Err(error) => return Err(error),
                }
            }
        })?;
        self.fed = fed;
        if done {
            self.pipe = None;
        }
        Ok(())
    }
}

/// One output of the program.
struct Ear<R> {
    pipe: Option<R>,
    heard: Vec<u8>,
    cut: bool,
}

impl<R: Read + AsFd> Ear<R> {
    fn new(pipe: Option<R>) -> io::Result<Self> {
        if let Some(pipe) = &pipe {
            make_patient(pipe)?;
        }
        Ok(Self { pipe, heard: Vec::new(), cut: false })
    }

    /// Hears what there is now. At most as much as a pipe holds at once, so that an endless talker cannot keep us from looking
    /// at the clock.
    fn listen(&mut self) -> io::Result<()> {
        let Some(pipe) = self.pipe.as_mut() else { return Ok(()) };
        let mut part = [0; 8192];
        for _ in 0..16 {
            match pipe.read(&mut part) {
                Ok(0) => {
                    self.pipe = None;
                    return Ok(());
                }
                Ok(count) => {
                    let room = OUTPUT_BYTES_MAX.saturating_sub(self.heard.len());
                    self.cut |= count > room;
                    self.heard.extend_from_slice(part.get(..count.min(room)).unwrap_or_default());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn make_patient(pipe: &impl AsFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(pipe)?;
    Ok(rustix::fs::fcntl_setfl(pipe, flags | OFlags::NONBLOCK)?)
}

/// Waits until there is something to hear or to say, or for a tick.
fn wait<O: AsFd, E: AsFd>(
    input: Option<&PipeWriter>,
    output: &Ear<O>,
    errors: &Ear<E>,
    tick: Duration,
) -> io::Result<()> {
    let mut all = Vec::with_capacity(3);
    all.extend(input.map(|pipe| PollFd::new(pipe, PollFlags::OUT)));
    all.extend(output.pipe.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
    all.extend(errors.pipe.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
    // When both are closed the program is about to end: a short look is enough.
    let tick = if all.is_empty() { Duration::from_millis(1) } else { tick };
    pause(&mut all, tick)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::Input;
    use crate::secret::Secret;
    use std::process::Command;

    #[test]
    fn a_key_is_there_whole_before_there_is_a_program_and_after_us() {
        let secret = Secret::from_vec(vec![b'x'; 40_000]);
        let (input, stdin) = Input::new(Some(&secret)).unwrap();
        // As if we had died between two instructions.
        drop(input);
        let read = Command::new("cat").stdin(stdin).output().unwrap();
        assert_eq!(read.stdout, vec![b'x'; 40_000]);
    }
}
