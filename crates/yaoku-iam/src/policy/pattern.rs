//! Wildcards: `*` stands for any number of characters, `?` for one.

use memchr::memmem::Finder;

/// A part with `?` between two `*` has at most this many characters, so that finding it takes linear time.
const MAX_FLOATING: usize = 64;

/// Whether ASCII letters match their other case.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Sensitive,
    Insensitive,
}

/// A text with wildcards, cut at each `*`.
pub(super) struct Pattern {
    case: Case,
    first: Part,
    /// What comes after each `*` but the last.
    middle: Box<[Part]>,
    /// What comes after the last `*`; none without any.
    last: Option<Part>,
}

/// A text without `*`.
struct Part {
    text: Box<str>,
    characters: usize,
    /// Matches its own text only: neither `?` nor case are in the way.
    plain: bool,
    /// Looks for a plain text; made for what comes between two `*`.
    finder: Option<Box<Finder<'static>>>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// With what is wrong, when it can't be matched in linear time.
    pub(super) fn new(text: &str, case: Case) -> Result<Self, String> {
        let mut parts = text.split('*').map(|part| Part::new(part, case));
        let first = parts.next().unwrap_or_else(|| Part::new("", case));
        let last = parts.next_back();
        let middle: Box<[Part]> = parts.filter(|part| !part.text.is_empty()).map(Part::with_finder).collect();
        if middle.iter().any(|part| !part.plain && part.characters > MAX_FLOATING) {
            return Err(format!("between two \"*\" a text with \"?\" has at most {MAX_FLOATING} characters"));
        }
        Ok(Self { case, first, middle, last })
    }

    /// Whether all of `text` is of this form.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Some(mut rest) = self.first.strip_from(text, self.case) else { return false };
        let Some(last) = &self.last else { return rest.is_empty() };
        // The leftmost place of each part leaves the most for the rest, so no other place needs a try.
        for part in &self.middle {
            match part.find_in(rest, self.case) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        last.ends(rest, self.case)
    }
}

impl Part {
    fn new(text: &str, case: Case) -> Self {
        let plain = case == Case::Sensitive && !text.contains('?');
        Self { text: text.into(), characters: text.chars().count(), plain, finder: None }
    }

    fn with_finder(mut self) -> Self {
        self.finder = self.plain.then(|| Box::new(Finder::new(self.text.as_bytes()).into_owned()));
        self
    }

    /// What follows this part at the beginning of `text`.
    fn strip_from<'t>(&self, text: &'t str, case: Case) -> Option<&'t str> {
        if self.plain {
            return text.strip_prefix(&*self.text);
        }
        let mut rest = text.chars();
        for wanted in self.text.chars() {
            let found = rest.next()?;
            let same = match case {
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
    fn find_in<'t>(&self, text: &'t str, case: Case) -> Option<&'t str> {
        if let Some(finder) = &self.finder {
            let at = finder.find(text.as_bytes())?;
            return text.get(at + self.text.len()..);
        }
        text.char_indices().find_map(|(at, _)| self.strip_from(&text[at..], case))
    }

    fn ends(&self, text: &str, case: Case) -> bool {
        if self.plain {
            return text.ends_with(&*self.text);
        }
        let Some(before) = self.characters.checked_sub(1) else { return true };
        let start = text.char_indices().nth_back(before).map(|(at, _)| at);
        start.is_some_and(|at| self.strip_from(&text[at..], case) == Some(""))
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
