//! The service as gRPC: which path is which method, and the bounds of its messages.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use http_body::Body as HttpBody;
use prost::Message;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::server::{Grpc, UnaryService};
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

use crate::{
    DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, KeyService, Metrics, Plugin, StatusRequest,
    StatusResponse,
};

/// Bytes of a request: annotations alone may be 32 KiB.
const MAX_MESSAGE: usize = 64 << 10;
/// How long a request may take with all that it waits for, its own arrival included.
const LONGEST: Duration = Duration::from_secs(30);

/// `v2.KeyManagementService`.
pub(crate) struct KeyManagementService<S> {
    pub(crate) plugin: Arc<Plugin<S>>,
    pub(crate) metrics: Metrics,
}

impl<S> Clone for KeyManagementService<S> {
    fn clone(&self) -> Self {
        Self { plugin: self.plugin.clone(), metrics: self.metrics.clone() }
    }
}

impl<S: KeyService> KeyManagementService<S> {
    /// Answers a request; whatever is wrong with it is a status of gRPC.
    pub(crate) async fn answer<B>(self, request: Request<B>) -> Result<Response<Body>, Infallible>
    where
        B: HttpBody + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
    {
        let Some(method) = Method::of(request.uri().path()) else {
            return Ok(Status::unimplemented("this service has Status, Encrypt and Decrypt").into_http());
        };
        let begun = Instant::now();
        let answered = match method {
            Method::Status => timeout(LONGEST, unary(StatusCall(self.plugin), request)).await,
            Method::Encrypt => timeout(LONGEST, unary(EncryptCall(self.plugin), request)).await,
            Method::Decrypt => timeout(LONGEST, unary(DecryptCall(self.plugin), request)).await,
        };
        let response = answered.unwrap_or_else(|_| Status::deadline_exceeded("the request took too long").into_http());
        // A failure stands in the headers, since there is no message before it.
        let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code());
        self.metrics.count(method, code, begun.elapsed());
        Ok(response)
    }
}

/// A method of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Status,
    Encrypt,
    Decrypt,
}

impl Method {
    pub(crate) const ALL: [Self; 3] = [Self::Status, Self::Encrypt, Self::Decrypt];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Status => "Status",
            Self::Encrypt => "Encrypt",
            Self::Decrypt => "Decrypt",
        }
    }

    fn of(path: &str) -> Option<Self> {
        let name = path.strip_prefix("/v2.KeyManagementService/")?;
        Self::ALL.into_iter().find(|method| method.name() == name)
    }
}

async fn unary<C, B>(call: C, request: Request<B>) -> Response<Body>
where
    C: UnaryService<C::In> + Call,
    C: UnaryService<<C as Call>::In, Response = <C as Call>::Out>,
    B: HttpBody + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
{
    let codec = ProstCodec::<C::Out, C::In>::default();
    Grpc::new(codec).max_decoding_message_size(MAX_MESSAGE).unary(call, request).await
}

/// A method with its messages.
trait Call {
    type In: Message + Default + Send + 'static;
    type Out: Message + Send + 'static;
}

type Answering<T> = Pin<Box<dyn Future<Output = Result<tonic::Response<T>, Status>> + Send>>;

macro_rules! call {
    ($call:ident, $in:ty => $out:ty, |$plugin:ident, $message:ident| $answer:expr) => {
        struct $call<S>(Arc<Plugin<S>>);

        impl<S: KeyService> Call for $call<S> {
            type In = $in;
            type Out = $out;
        }

        impl<S: KeyService> UnaryService<$in> for $call<S> {
            type Response = $out;
            type Future = Answering<$out>;

            fn call(&mut self, request: tonic::Request<$in>) -> Self::Future {
                let ($plugin, $message) = (self.0.clone(), request.into_inner());
                Box::pin(async move { $answer.await.map(tonic::Response::new) })
            }
        }
    };
}

call!(StatusCall, StatusRequest => StatusResponse, |plugin, _message| plugin.status());
call!(EncryptCall, EncryptRequest => EncryptResponse, |plugin, message| plugin.encrypt(message));
call!(DecryptCall, DecryptRequest => DecryptResponse, |plugin, message| plugin.decrypt(message));
