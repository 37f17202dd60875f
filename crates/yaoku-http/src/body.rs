//! Takes in a request's body, within its own bound and that of all requests together.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;

use crate::Refusal;
use crate::budget::Claim;

/// How many times the bound is read and thrown away of a body that is too large: a client that is still sending does not
/// see an answer that comes with a reset.
const DISCARD: usize = 16;

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
    use std::sync::Arc;

    use http_body_util::Full;
    use hyper::body::Frame;

    use super::*;
    use crate::ConnectionMetrics;
    use crate::activity::Registry;
    use crate::budget::Budget;

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
        let budget = Budget::new(1 << 20, Registry::new(), ConnectionMetrics::default());
        for (mut body, expected) in [(parts(&[]), ""), (parts(&[b"abc"]), "abc"), (parts(&[b"ab", b"", b"cd"]), "abcd")]
        {
            assert_eq!(collect(&mut body, 4, &mut budget.claim(Arc::default())).await.unwrap(), expected);
        }
        for mut body in [parts(&[b"abcde"]), parts(&[b"abc", b"de"])] {
            assert_eq!(collect(&mut body, 4, &mut budget.claim(Arc::default())).await, Err(Refusal::TooLarge));
        }
        let mut told = Full::new(Bytes::from_static(b"abcde"));
        assert_eq!(collect(&mut told, 4, &mut budget.claim(Arc::default())).await, Err(Refusal::TooLarge));
    }
}
