//! Which path asks for what: `/tang/<disk>/adv`, `/tang/<disk>/adv/<thumbprint>`, `/tang/<disk>/rec/<thumbprint>`.

use yaoku_disks::{DiskUrl, Thumbprint};

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// The advertisement; of the key of that thumbprint alone, if one is named.
    Advertise(DiskUrl, Option<Thumbprint>),
    /// The product of a point and the exchange key of that thumbprint.
    Recover(DiskUrl, Thumbprint),
    /// A path of the protocol, by another method; which one it takes.
    OtherMethod(&'static str),
    /// Nothing that there is.
    Unknown,
}

impl Route {
    /// Reads method and path.
    pub fn read(method: &str, path: &str) -> Self {
        Self::known(method, path).unwrap_or(Self::Unknown)
    }

    fn known(method: &str, path: &str) -> Option<Self> {
        let (disk, rest) = path.strip_prefix("/tang/")?.split_once('/')?;
        let disk = DiskUrl::parse(disk)?;
        let (what, thumbprint) = match rest.split_once('/') {
            // A slash at the end names no key.
            Some((what, "")) => (what, None),
            Some((what, thumbprint)) => (what, Some(Thumbprint::read(thumbprint)?)),
            None => (rest, None),
        };
        match (what, thumbprint, method) {
            ("adv", thumbprint, "GET") => Some(Self::Advertise(disk, thumbprint)),
            ("adv", _, _) => Some(Self::OtherMethod("GET")),
            ("rec", Some(thumbprint), "POST") => Some(Self::Recover(disk, thumbprint)),
            ("rec", Some(_), _) => Some(Self::OtherMethod("POST")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_apart() {
        let disk = DiskUrl::new([7; 16]);
        let thumbprint = "A".repeat(43);
        let named = Thumbprint::read(&thumbprint).unwrap();
        let read = |method, rest: &str| Route::read(method, &format!("{}{rest}", disk.path()));
        assert_eq!(read("GET", "/adv"), Route::Advertise(disk, None));
        assert_eq!(read("GET", "/adv/"), Route::Advertise(disk, None));
        assert_eq!(read("GET", &format!("/adv/{thumbprint}")), Route::Advertise(disk, Some(named)));
        assert_eq!(read("POST", &format!("/rec/{thumbprint}")), Route::Recover(disk, named));
        assert_eq!(read("GET", &format!("/rec/{thumbprint}")), Route::OtherMethod("POST"));
        assert_eq!(read("POST", "/adv"), Route::OtherMethod("GET"));
        for rest in ["", "/", "/rec", "/rec/", "/other", "/adv/short", &format!("/rec/{thumbprint}/more")] {
            assert_eq!(read("POST", rest), Route::Unknown, "{rest}");
        }
        for path in ["", "/", "/adv", "/tang/adv", "/tang/AAAA/adv", "tang/AAAAAAAAAAAAAAAAAAAAAA/adv"] {
            assert_eq!(Route::read("GET", path), Route::Unknown, "{path}");
        }
        assert!(!format!("{:?}", read("GET", "/adv")).contains(&disk.to_string()));
    }
}
