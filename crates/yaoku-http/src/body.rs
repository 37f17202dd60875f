//! Takes in a request's body, within its own bound and that of all requests together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;

use crate::Refusal;

/// Bytes of a request that the common budget does not count, so that small requests pass while large ones fill it.
const FREE: usize = 8 << 10;
/// How many times the bound is read and thrown away of a body that is too large: a client that is still sending does not
/// see an answer that comes with a reset.
const DISCARD: usize = 16;

/// Bytes that all requests under way may take together.
#[derive(Debug)]
pub(crate) struct Budget(AtomicUsize);

impl Budget {
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self(AtomicUsize::new(bytes)))
    }

    /// An empty claim on this budget.
    pub(crate) fn claim(self: &Arc<Self>) -> Claim {
        Claim { budget: self.clone(), size: 0, held: 0 }
    }
}

/// What one request takes of the budget; given back when dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    budget: Arc<Budget>,
    size: usize,
    held: usize,
}

impl Claim {
    /// Takes `bytes` more.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.size += bytes;
        let wanted = self.size.saturating_sub(FREE) - self.held;
        if wanted == 0 {
            return Ok(());
        }
        let left = &self.budget.0;
        let taken = left.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |left| left.checked_sub(wanted));
        taken.map_err(|_| Refusal::Overloaded)?;
        self.held += wanted;
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.held > 0 {
            self.budget.0.fetch_add(self.held, Ordering::AcqRel);
        }
    }
}

/// The whole body, of at most `limit` bytes.
pub(crate) async fn collect<B>(body: &mut B, limit: usize, claim: &mut Claim) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    if usize::try_from(body.size_hint().lower()).map_or(true, |least| least > limit) {
        return Err(Refusal::TooLarge);
    }
    let Some(first) = next(body, claim).await? else { return Ok(Bytes::new()) };
    if first.len() > limit {
        return Err(Refusal::TooLarge);
    }
    if body.is_end_stream() {
        return Ok(first);
    }
    let mut whole = BytesMut::from(first);
    while let Some(part) = next(body, claim).await? {
        if part.len() > limit - whole.len() {
            return Err(Refusal::TooLarge);
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
}

/// Reads what is left of a body that is too large, up to a bound.
pub(crate) async fn discard<B: Body<Data = Bytes> + Unpin>(body: &mut B, limit: usize) {
    let mut left = limit.saturating_mul(DISCARD);
    // What says beforehand that it is more than that is not waited for.
    if usize::try_from(body.size_hint().lower()).map_or(true, |least| least > left) {
        return;
    }
    while let Some(Ok(frame)) = body.frame().await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(less) => left = less,
            None => return,
        }
    }
}

async fn next<B: Body<Data = Bytes> + Unpin>(body: &mut B, claim: &mut Claim) -> Result<Option<Bytes>, Refusal> {
    while let Some(frame) = body.frame().await {
        // Trailers mean nothing here.
        if let Ok(data) = frame.map_err(|_| Refusal::BrokenOff)?.into_data() {
            claim.grow(data.len())?;
            return Ok(Some(data));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use hyper::body::Frame;

    use super::*;

    /// A body in parts, without a length told beforehand.
    fn parts(parts: &[&'static [u8]]) -> impl Body<Data = Bytes> + Unpin {
        let mut parts: Vec<_> = parts.to_vec();
        parts.reverse();
        Parts(parts)
    }

    struct Parts(Vec<&'static [u8]>);

    impl Body for Parts {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Ready(self.0.pop().map(|part| Ok(Frame::data(Bytes::from_static(part)))))
        }
    }

    #[tokio::test]
    async fn bodies_up_to_the_bound_pass() {
        let budget = Budget::new(1 << 20);
        for (mut body, expected) in [(parts(&[]), ""), (parts(&[b"abc"]), "abc"), (parts(&[b"ab", b"", b"cd"]), "abcd")]
        {
            assert_eq!(collect(&mut body, 4, &mut budget.claim()).await.unwrap(), expected);
        }
        for mut body in [parts(&[b"abcde"]), parts(&[b"abc", b"de"])] {
            assert_eq!(collect(&mut body, 4, &mut budget.claim()).await, Err(Refusal::TooLarge));
        }
        let mut told = Full::new(Bytes::from_static(b"abcde"));
        assert_eq!(collect(&mut told, 4, &mut budget.claim()).await, Err(Refusal::TooLarge));
    }

    #[test]
    fn the_budget_is_shared_and_given_back() {
        let budget = Budget::new(100);
        let mut small = budget.claim();
        small.grow(FREE).unwrap();
        let mut large = budget.claim();
        large.grow(FREE).unwrap();
        large.grow(60).unwrap();
        large.grow(40).unwrap();
        assert_eq!(large.grow(1), Err(Refusal::Overloaded));
        assert_eq!(small.grow(1), Err(Refusal::Overloaded));
        drop(large);
        budget.claim().grow(FREE + 100).unwrap();
    }
}
