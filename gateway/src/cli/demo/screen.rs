//! What the demo prints on: standard output, in colour only on a terminal. Each call takes the lock, writes and flushes, so that
//! a reader of a pipe sees what happens as it happens.

use std::io::{self, IsTerminal, Stdout, Write};

#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    out: fn() -> Stdout,
    colours: bool,
}

impl Screen {
    /// Colours are left out as well when `NO_COLOR` is set (<https://no-color.org>).
    pub(super) fn of_stdout() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            out: io::stdout,
            colours: io::stdout().is_terminal() && !unwanted,
        }
    }

    pub(super) fn line(self, text: &str) -> io::Result<()> {
        self.part(&format!("{text}\n"))
    }

    pub(super) fn part(self, text: &str) -> io::Result<()> {
        let mut out = (self.out)().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.painted("1", text)
    }

    pub(super) fn good(self, text: &str) -> String {
        self.painted("32", text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.painted("1;31", text)
    }

    fn painted(self, code: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_colour_only_where_it_is_wanted() {
        let screen = |colours| Screen {
            out: io::stdout,
            colours,
        };
        assert_eq!(screen(false).bad("no"), "no");
        assert_eq!(screen(true).bad("no"), "\x1b[1;31mno\x1b[0m");
    }
}
