//! Listings in parts. Where the next part begins is told in a token, which is sealed: clients give it back as it is, and can't make
//! one up.

use yaoku_crypto::Secret;

use crate::{Call, Error, Field, Iam, Name, OperationSpec};

/// A token that an earlier part of a listing ended with.
pub type Place = Vec<u8>;

/// Where a listing goes on, and how much of it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Where the part before said that this one begins.
    pub after: Option<Place>,
    /// At least 1.
    pub most: usize,
}

/// A part of a listing, in the order of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<T> {
    /// The items of this part.
    pub items: Vec<T>,
    /// Where the listing goes on, if it does.
    pub next: Option<Place>,
}

/// A slice whose token was opened.
pub(crate) struct From {
    after: Option<Name>,
    most: usize,
}

/// Items of a part, and the name of the last one if there are more.
pub(crate) type Items<T> = (Vec<T>, Option<Name>);

impl From {
    /// The last name of the part before.
    pub(crate) fn after(&self) -> Option<&str> {
        self.after.as_ref().map(Name::as_str)
    }

    /// The part of `all`, which begins behind [`Self::after`].
    pub(crate) fn items<T>(&self, mut all: impl Iterator<Item = (Name, T)>) -> Items<T> {
        let (names, items): (Vec<_>, Vec<_>) = all.by_ref().take(self.most).unzip();
        let next = all.next().and(names.into_iter().next_back());
        (items, next)
    }
}

/// A part of a listing by names, of which `read` takes what is in `slice`.
pub(crate) async fn part<T>(
    iam: &Iam,
    call: &Call<'_>,
    spec: &OperationSpec,
    slice: Slice,
    read: impl FnOnce(&From) -> Result<Items<T>, Error>,
) -> Result<Part<T>, Error> {
    let after = open(iam, call, spec, Field::Marker, slice.after.as_deref()).await?;
    let from = From { after: after.as_deref().map(Name::from_stored), most: slice.most };
    let (items, next) = read(&from)?;
    let next = seal(iam, call, spec, next.as_ref().map(Name::as_str)).await?;
    Ok(Part { items, next })
}

/// The token for a place in a listing of the caller's account.
pub(crate) async fn seal(
    iam: &Iam,
    call: &Call<'_>,
    spec: &OperationSpec,
    place: Option<&str>,
) -> Result<Option<Place>, Error> {
    let Some(place) = place else { return Ok(None) };
    let place = Secret::new(place.as_bytes().to_vec());
    let domain = call.principal.account().domain();
    Ok(Some(iam.vault.seal_token(domain, label(spec).as_bytes(), &place).await?))
}

/// The place in a listing that a token tells; that of another account or of another listing tells none.
pub(crate) async fn open(
    iam: &Iam,
    call: &Call<'_>,
    spec: &OperationSpec,
    field: Field,
    token: Option<&[u8]>,
) -> Result<Option<String>, Error> {
    let Some(token) = token else { return Ok(None) };
    let domain = call.principal.account().domain();
    let opened = iam.vault.open_token(domain, label(spec).as_bytes(), token).await?;
    let place = opened.and_then(|place| String::from_utf8(place.expose().to_vec()).ok());
    place.map(Some).ok_or(Error::Invalid { field, why: "it is not one that was given out" })
}

/// What places in a listing are sealed as.
fn label(spec: &OperationSpec) -> String {
    format!("place in {} v1", spec.name)
}
