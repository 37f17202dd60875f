//! Wildcards: `*` stands for any number of characters, `?` for one.

use memchr::memmem;

/// A part with `?` between two `*` has at most this many characters, so that finding it takes linear time.
const MAX_FLOATING: usize = 64;

/// Whether ASCII letters match their other case.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Sensitive,
    Insensitive,
}

/// A text with wildcards. It takes no more memory than its text, however many `*` that has: accounts have many of them.
pub(super) struct Pattern {
    text: Box<str>,
    case: Case,
}

/// What stands before, after or between `*`.
#[derive(Clone, Copy)]
struct Part<'p> {
    text: &'p str,
    case: Case,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// With what is wrong, when it can't be matched in linear time.
    pub(super) fn new(text: &str, case: Case) -> Result<Self, String> {
        let mut parts = text.split('*').map(|text| Part { text, case });
        parts.next();
        parts.next_back();
        if parts.any(|part| !part.is_plain() && part.characters() > MAX_FLOATING) {
            return Err(format!("between two \"*\", a string with \"?\" can have at most {MAX_FLOATING} characters"));
        }
        Ok(Self { text: text.into(), case })
    }

    /// Whether all of `text` is of this form.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut parts = self.text.split('*').map(|text| Part { text, case: self.case });
        let first = parts.next().and_then(|part| part.strip_from(text));
        let Some(mut rest) = first else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        // The leftmost place of each part leaves the most for the rest, so no other place needs a try.
        for part in parts {
            match part.find_in(rest) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        last.ends(rest)
    }
}

impl Part<'_> {
    /// Whether it matches its own text only: neither `?` nor case are in the way.
    fn is_plain(self) -> bool {
        self.case == Case::Sensitive && !self.text.contains('?')
    }

    fn characters(self) -> usize {
        self.text.chars().count()
    }

    /// What follows this part at the beginning of `text`.
    fn strip_from(self, text: &str) -> Option<&str> {
        if self.is_plain() {
            return text.strip_prefix(self.text);
        }
        self.strip_wild(text)
    }

    fn strip_wild(self, text: &str) -> Option<&str> {
        let mut rest = text.chars();
        for wanted in self.text.chars() {
            let found = rest.next()?;
            let same = match self.case {
                Case::Sensitive => wanted == found,
                Case::Insensitive => wanted.eq_ignore_ascii_case(&found),
            };
            if !same && wanted != '?' {
                return None;
            }
        }
        Some(rest.as_str())
    }

    /// What follows this part at its first place in `text`.
    fn find_in(self, text: &str) -> Option<&str> {
        if self.is_plain() {
            let at = memmem::find(text.as_bytes(), self.text.as_bytes())?;
            return text.get(at + self.text.len()..);
        }
        text.char_indices().find_map(|(at, _)| self.strip_wild(&text[at..]))
    }

    fn ends(self, text: &str) -> bool {
        if self.is_plain() {
            return text.ends_with(self.text);
        }
        let Some(before) = self.characters().checked_sub(1) else { return true };
        let start = text.char_indices().nth_back(before).map(|(at, _)| at);
        start.is_some_and(|at| self.strip_wild(&text[at..]) == Some(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By definition, without a thought of time.
    fn plainly(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((&'*', rest)), None) => plainly(rest, text),
            (Some((&'*', rest)), Some((_, later))) => plainly(rest, text) || plainly(pattern, later),
            (Some((&wanted, rest)), Some((&found, later))) => {
                (wanted == '?' || wanted.eq_ignore_ascii_case(&found)) && plainly(rest, later)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matches_what_the_definition_matches(pattern in "[abA钥*?]{0,9}", text in "[abA钥]{0,9}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let folded = Pattern::new(&pattern, Case::Insensitive).unwrap();
            prop_assert_eq!(folded.matches(&text), plainly(&chars(&pattern), &chars(&text)));
            // Letters of one case only: then both say the same.
            let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
            let exact = Pattern::new(&pattern, Case::Sensitive).unwrap();
            prop_assert_eq!(exact.matches(&text), plainly(&chars(&pattern), &chars(&text)));
        }
    }

    #[test]
    fn patterns_that_would_take_quadratic_time_are_refused_or_fast() {
        let text = "a".repeat(1 << 20);
        let stars = Pattern::new(&"a*".repeat(2000), Case::Sensitive).unwrap();
        assert!(stars.matches(&text));
        let misses = Pattern::new(&format!("*{}b*", "a".repeat(4000)), Case::Sensitive).unwrap();
        assert!(!misses.matches(&text));
        assert!(Pattern::new(&format!("*{}?*", "a".repeat(64)), Case::Sensitive).is_err());
        assert!(Pattern::new(&format!("{}?*", "a".repeat(64)), Case::Sensitive).is_ok());
    }
}
