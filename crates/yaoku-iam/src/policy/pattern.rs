//! Wildcards: `*` stands for any number of characters, `?` for one.

use memchr::memmem;

use super::effort::Effort;

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

    /// The pattern as it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether all of `text` is of this form; false as well where that takes more effort than is left.
    pub(super) fn matches(&self, text: &str, effort: &Effort) -> bool {
        let mut parts = self.text.split('*').map(|text| Part { text, case: self.case });
        let first = parts.next().and_then(|part| part.strip_from(text, effort));
        let Some(mut rest) = first else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        // The leftmost place of each part leaves the most for the rest, so no other place needs a try.
        for part in parts {
            match part.find_in(rest, effort) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        last.ends(rest, effort)
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
    fn strip_from<'t>(self, text: &'t str, effort: &Effort) -> Option<&'t str> {
        if self.is_plain() {
            return if effort.take_plain(self.text.len()) { text.strip_prefix(self.text) } else { None };
        }
        self.strip_wild(text, effort)
    }

    fn strip_wild<'t>(self, text: &'t str, effort: &Effort) -> Option<&'t str> {
        let mut rest = text.chars();
        for wanted in self.text.chars() {
            if !effort.take(1) {
                return None;
            }
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
    fn find_in<'t>(self, text: &'t str, effort: &Effort) -> Option<&'t str> {
        // Between two `*` that stand together is nothing, which is found everywhere, also where the text has ended.
        if self.text.is_empty() {
            return Some(text);
        }
        if self.is_plain() {
            let at = memmem::find(text.as_bytes(), self.text.as_bytes());
            let in_bounds = effort.take_plain(at.unwrap_or(text.len()) + self.text.len());
            return text.get(at.filter(|_| in_bounds)? + self.text.len()..);
        }
        let mut places = text.char_indices().take_while(|_| !effort.is_spent());
        places.find_map(|(at, _)| self.strip_wild(&text[at..], effort))
    }

    fn ends(self, text: &str, effort: &Effort) -> bool {
        if self.is_plain() {
            return effort.take_plain(self.text.len()) && text.ends_with(self.text);
        }
        let Some(before) = self.characters().checked_sub(1) else { return true };
        let start = text.char_indices().nth_back(before).map(|(at, _)| at);
        start.is_some_and(|at| self.strip_wild(&text[at..], effort) == Some(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By definition, without a thought of time.
    fn plainly(pattern: &[char], text: &[char], case: Case) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((&'*', rest)), None) => plainly(rest, text, case),
            (Some((&'*', rest)), Some((_, later))) => plainly(rest, text, case) || plainly(pattern, later, case),
            (Some((&wanted, rest)), Some((&found, later))) => {
                (wanted == '?' || same(wanted, found, case)) && plainly(rest, later, case)
            }
            _ => false,
        }
    }

    fn same(wanted: char, found: char, case: Case) -> bool {
        wanted == found || (case == Case::Insensitive && wanted.eq_ignore_ascii_case(&found))
    }

    /// All texts of an alphabet up to a length, each but the empty one as one before it and a further character.
    struct Texts(Vec<(usize, char, String)>);

    impl Texts {
        fn new(alphabet: &[char], longest: usize) -> Self {
            let mut all = vec![(0, ' ', String::new())];
            let mut from = 0;
            for _ in 0..longest {
                let to = all.len();
                for shorter in from..to {
                    for &last in alphabet {
                        let text = format!("{}{last}", all[shorter].2);
                        all.push((shorter, last, text));
                    }
                }
                from = to;
            }
            Self(all)
        }
    }

    /// Holds the matcher against the definition for a pattern and all that begin with it, up to a length. `matched` says of
    /// each text whether the pattern matches it. The definition is read from the end: `p*` matches what `p` does and what it
    /// matches itself with a further character; `p?` and `pc` what `p` does with any further character, or with `c`.
    fn check_all(
        pattern: &mut String,
        matched: &[bool],
        alphabet: &[char],
        longest: usize,
        texts: &Texts,
        case: Case,
    ) -> usize {
        let matcher = Pattern::new(pattern, case).unwrap();
        for ((.., text), &expected) in texts.0.iter().zip(matched) {
            assert_eq!(
                matcher.matches(text, &Effort::default()),
                expected,
                "{pattern:?} and {text:?}, {}",
                case == Case::Sensitive
            );
        }
        if longest == 0 {
            return texts.0.len();
        }
        let mut checked = texts.0.len();
        for &next in alphabet {
            let mut longer = Vec::with_capacity(matched.len());
            for (at, (shorter, last, _)) in texts.0.iter().enumerate() {
                longer.push(match next {
                    '*' => matched[at] || (at > 0 && longer[*shorter]),
                    '?' => at > 0 && matched[*shorter],
                    wanted => at > 0 && matched[*shorter] && same(wanted, *last, case),
                });
            }
            pattern.push(next);
            checked += check_all(pattern, &longer, alphabet, longest - 1, texts, case);
            pattern.pop();
        }
        checked
    }

    /// How many pairs of a pattern and a text were compared.
    fn check_alphabet(of_patterns: &str, longest: usize, of_texts: &str, longest_text: usize) -> usize {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let texts = Texts::new(&chars(of_texts), longest_text);
        let matched: Vec<_> = texts.0.iter().map(|(.., text)| text.is_empty()).collect();
        [Case::Sensitive, Case::Insensitive]
            .map(|case| check_all(&mut String::new(), &matched, &chars(of_patterns), longest, &texts, case))
            .iter()
            .sum()
    }

    #[test]
    fn every_short_pattern_matches_what_the_definition_matches() {
        // Patterns of each length times texts of each length times two.
        let patterns = |letters: usize, longest: u32| (0..=longest).map(|length| letters.pow(length)).sum::<usize>();
        assert_eq!(check_alphabet("aAb*?", 6, "aAb", 5), patterns(5, 6) * patterns(3, 5) * 2);
        assert_eq!(check_alphabet("a*?", 8, "ab", 6), patterns(3, 8) * patterns(2, 6) * 2);
        assert_eq!(check_alphabet("钥é*?", 5, "钥é", 5), patterns(4, 5) * patterns(2, 5) * 2);
    }

    #[test]
    fn stars_that_stand_together_match_nothing_too() {
        for (pattern, text) in [
            ("kms:Decrypt**", "kms:Decrypt"),
            ("kms:Decryp?**", "kms:Decrypt"),
            ("kms:D*t**", "kms:Decrypt"),
            ("KMS:decrypt**", "kms:Decrypt"),
            ("**", ""),
            ("?**", "a"),
        ] {
            for case in [Case::Sensitive, Case::Insensitive] {
                let expected = case == Case::Insensitive || !pattern.starts_with("KMS");
                assert_eq!(
                    Pattern::new(pattern, case).unwrap().matches(text, &Effort::default()),
                    expected,
                    "{pattern}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn matches_what_the_definition_matches(pattern in "[abA钥*?]{0,9}", text in "[abA钥]{0,9}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            for case in [Case::Sensitive, Case::Insensitive] {
                let matcher = Pattern::new(&pattern, case).unwrap();
                prop_assert_eq!(matcher.matches(&text, &Effort::default()), plainly(&chars(&pattern), &chars(&text), case));
            }
        }
    }

    #[test]
    fn patterns_that_would_take_quadratic_time_are_refused_or_fast() {
        let text = "a".repeat(1 << 20);
        let stars = Pattern::new(&"a*".repeat(2000), Case::Sensitive).unwrap();
        assert!(stars.matches(&text, &Effort::default()));
        let misses = Pattern::new(&format!("*{}b*", "a".repeat(4000)), Case::Sensitive).unwrap();
        assert!(!misses.matches(&text, &Effort::default()));
        assert!(Pattern::new(&format!("*{}?*", "a".repeat(64)), Case::Sensitive).is_err());
        assert!(Pattern::new(&format!("{}?*", "a".repeat(64)), Case::Sensitive).is_ok());
    }
}
