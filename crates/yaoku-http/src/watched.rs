//! Streams that note when bytes come and go, and count what they take of the budget.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, Take};

use crate::activity::{Activity, Came};
use crate::budget::Inflow;
use crate::frames::Frames;

/// Bytes read at once: less than hyper's first buffer, which it enlarges whenever a read fills it, and then keeps.
const READ: u64 = 8191;
/// What "PRI * HTTP/2.0" begins with, which opens an HTTP/2 connection (RFC 9113, section 3.4); no method of ours begins so.
const HTTP2: &[u8] = b"PR";
/// Bytes of memory for each byte of a head in HTTP/2: one may stand for a field of which the decoder has remembered name and value
/// (RFC 7541, section 6.1).
const FIELD: usize = 128;

/// The bytes of a connection, without TLS.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: Take<S>,
    activity: Arc<Activity>,
    inflow: Inflow,
    /// Bytes compared with [`HTTP2`].
    compared: usize,
    /// None when it is known not to be HTTP/2.
    frames: Option<Frames>,
    /// Bytes of the head that is coming, if it is not.
    head: usize,
    /// The most that a head in HTTP/2 may take, of which the decoder makes sure.
    most: usize,
}

impl<S: AsyncRead> Watched<S> {
    /// Heads have at most so many bytes, as HTTP/2 counts them.
    pub(crate) fn new(stream: S, activity: Arc<Activity>, inflow: Inflow, head_bytes: u32) -> Self {
        // A field counts 32 bytes beside its name and value (RFC 9113, section 6.5.2), and takes up to four times that.
        let most = usize::try_from(head_bytes).unwrap_or(usize::MAX).saturating_mul(4);
        let frames = Some(Frames::default());
        Self { stream: stream.take(READ), activity, inflow, compared: 0, frames, head: 0, most }
    }
}

impl<S> Watched<S> {
    fn came(&mut self, bytes: &[u8]) {
        let what = self.activity.bytes_came();
        if self.compared < HTTP2.len() && self.frames.is_some() {
            let compared = &bytes[..bytes.len().min(HTTP2.len() - self.compared)];
            if HTTP2[self.compared..].starts_with(compared) {
                self.compared += compared.len();
                if self.compared == HTTP2.len() {
                    self.activity.is_multiplexed();
                }
            } else {
                self.frames = None;
            }
        }
        if let Some(frames) = &mut self.frames {
            frames.follow(bytes);
            self.inflow.takes(frames.unfinished().saturating_mul(FIELD).min(self.most));
            return;
        }
        self.head = match what {
            Came::NewHead => bytes.len(),
            Came::Head => self.head + bytes.len(),
            Came::Body => return,
        };
        // The buffer stays when the head is complete.
        self.inflow.takes_at_least(self.head);
    }

    fn sent<T>(&self, result: Poll<T>) -> Poll<T> {
        self.activity.sent(result.is_ready());
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.frames.is_none() && self.activity.is_in_body() {
            // The request has a claim, by which it may be refused: nothing else may hold its body up.
            self.inflow.settle();
        }
        ready!(self.inflow.poll_ready(cx));
        let before = buf.filled().len();
        self.stream.set_limit(READ);
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        let came = &buf.filled()[before..];
        if !came.is_empty() {
            self.came(came);
        }
        result
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(self.stream.get_mut()).poll_write(cx, buf);
        self.sent(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(self.stream.get_mut()).poll_flush(cx);
        self.sent(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(self.stream.get_mut()).poll_shutdown(cx);
        self.sent(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(self.stream.get_mut()).poll_write_vectored(cx, bufs);
        self.sent(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.get_ref().is_write_vectored()
    }
}

/// The bytes of a connection with TLS, of which those of the handshake take memory until it is over.
#[derive(Debug)]
pub(crate) struct Handshaking<S> {
    stream: S,
    /// None when it is over.
    inflow: Option<Inflow>,
    came: usize,
}

impl<S> Handshaking<S> {
    pub(crate) fn new(stream: S, inflow: Inflow) -> Self {
        Self { stream, inflow: Some(inflow), came: 0 }
    }

    pub(crate) fn is_over(&mut self) {
        self.inflow = None;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Handshaking<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some(inflow) = &mut this.inflow else { return Pin::new(&mut this.stream).poll_read(cx, buf) };
        ready!(inflow.poll_ready(cx));
        let before = buf.filled().len();
        let result = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.came += buf.filled().len() - before;
        inflow.takes(this.came);
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Handshaking<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
