//! The loaded library, the login, a bounded pool of sessions, and getting back what was lost.
//!
//! A call that meets a lost session, a token that was reset, or a library whose other end went away ends the connection for
//! all, once everybody's call under way is over, makes a new one, and is tried once more. While that fails, calls fail at
//! once, and one of them tries again every second. A refused PIN is not tried again, since tokens lock themselves after some
//! wrong ones.

use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Function, Pkcs11};
use cryptoki::error::{Error as Pkcs11Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Limit, Slot};
use cryptoki::types::AuthPin;

use super::mechanisms::Mechanisms;
use super::{TokenConfig, locked};
use crate::Error;

/// How long a call waits for a session that others use.
const SESSION_WAIT: Duration = Duration::from_secs(10);
/// How long one waits that makes a key pair: others before it take as long as it will.
const LONG_SESSION_WAIT: Duration = Duration::from_secs(100);
/// Of so many sessions, one may be making a key pair.
const A_LONG_ONE_IN: usize = 4;
/// How long after a connection failed the next is tried.
const RETRY: Duration = Duration::from_secs(1);

/// A token of an HSM.
pub struct Token {
    module: Pkcs11,
    config: TokenConfig,
    state: RwLock<State>,
}

enum State {
    Connected(Box<Connection>),
    /// Could not be reached at that moment.
    Away {
        why: String,
        tried: Instant,
        generation: u64,
    },
    /// Will not take us until somebody changes something.
    Refused {
        why: String,
        generation: u64,
    },
}

struct Connection {
    generation: u64,
    slot: Slot,
    mechanisms: Mechanisms,
    pool: Mutex<Pool>,
    returned: Condvar,
    /// Keeps the login, which ends with an application's last session.
    _anchor: Mutex<Session>,
}

struct Pool {
    idle: Vec<Session>,
    /// How many more may be opened.
    room: usize,
    /// How many are making a key pair, and may be.
    long: usize,
    most_long: usize,
}

/// How long a call takes, as far as is known beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Short,
    /// It makes a key pair, which may take a minute. Such calls never have all sessions, unless there is but one.
    Long,
}

/// What went wrong in the middle of a call.
pub(super) enum Failure {
    /// In the library or the token.
    Pkcs11(Pkcs11Error),
    /// On this side of it.
    Ours(Error),
}

impl From<Pkcs11Error> for Failure {
    fn from(error: Pkcs11Error) -> Self {
        Self::Pkcs11(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl Failure {
    /// What the token said, if it was the token.
    pub(super) const fn code(&self) -> Option<RvError> {
        match self {
            Self::Pkcs11(Pkcs11Error::Pkcs11(code, _)) => Some(*code),
            Self::Pkcs11(_) | Self::Ours(_) => None,
        }
    }

    /// Whether a handle was not good any more.
    pub(super) const fn is_of_handle(&self) -> bool {
        matches!(self.code(), Some(RvError::KeyHandleInvalid | RvError::ObjectHandleInvalid))
    }

    /// Whether the connection is lost, or may be.
    pub(super) const fn is_lost(&self) -> bool {
        matches!(
            self.code(),
            Some(
                RvError::CryptokiNotInitialized
                    | RvError::DeviceError
                    | RvError::DeviceRemoved
                    | RvError::SessionClosed
                    | RvError::SessionHandleInvalid
                    | RvError::SlotIdInvalid
                    | RvError::TokenNotPresent
                    | RvError::TokenNotRecognized
                    | RvError::UserNotLoggedIn
            )
        )
    }

    /// Whether an operation was left active in the session, so that another session is the cure.
    const fn is_of_session(&self) -> bool {
        matches!(self.code(), Some(RvError::OperationActive | RvError::OperationNotInitialized))
    }

    /// What became of decrypting or unwrapping: [`Error::Open`] where only the bytes were wrong.
    pub(super) fn of_ciphertext(error: Pkcs11Error, lease: &Lease<'_>) -> Self {
        let failure = Self::from(error);
        let wrong = match failure.code() {
            Some(
                RvError::DataInvalid
                | RvError::DataLenRange
                | RvError::EncryptedDataInvalid
                | RvError::EncryptedDataLenRange
                | RvError::FunctionFailed
                | RvError::SignatureInvalid
                | RvError::WrappedKeyInvalid
                | RvError::WrappedKeyLenRange,
            ) => true,
            // Some tokens say this of a ciphertext that is not right, and some when they went away.
            Some(RvError::GeneralError) => lease.answers(),
            _ => false,
        };
        if wrong { Error::Open.into() } else { failure }
    }

    /// Whether a key has a value that its type does not admit.
    pub(super) const fn is_of_value(&self) -> bool {
        matches!(
            self.code(),
            Some(RvError::AttributeValueInvalid | RvError::KeySizeRange | RvError::TemplateInconsistent)
        )
    }

    fn into_error(self) -> Error {
        match self {
            Self::Ours(error) => error,
            lost @ Self::Pkcs11(_) if lost.is_lost() => Error::TokenAway(lost.to_string()),
            other @ Self::Pkcs11(_) => Error::Token(other.to_string()),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // Without the library's paragraph on each code.
            Self::Pkcs11(Pkcs11Error::Pkcs11(code, function)) => write!(f, "{function:?} answers {code:?}"),
            Self::Pkcs11(error) => write!(f, "{error}"),
            Self::Ours(error) => write!(f, "{error}"),
        }
    }
}

/// A session on loan from the pool.
pub(super) struct Lease<'a> {
    module: &'a Pkcs11,
    connection: &'a Connection,
    session: Session,
}

impl Lease<'_> {
    pub(super) const fn session(&self) -> &Session {
        &self.session
    }

    /// Whether the token is there and the session lives. Some libraries answer for the session from memory; so the token is
    /// asked as well.
    fn answers(&self) -> bool {
        self.session.get_session_info().is_ok() && self.module.get_token_info(self.connection.slot).is_ok()
    }

    /// Counts connections: handles are good for one.
    pub(super) const fn generation(&self) -> u64 {
        self.connection.generation
    }
}

impl Token {
    /// The most sessions that are open at a time.
    pub const fn sessions(&self) -> usize {
        self.config.sessions
    }

    /// Loads the library and logs in. A token that is not there at the moment is no error: it is looked for again when it is
    /// needed.
    ///
    /// # Errors
    /// [`Error::TokenSetup`] when the library can't be loaded, no token or more than one could be meant, or the PIN is
    /// refused.
    pub fn open(config: TokenConfig) -> Result<Self, Error> {
        let module = load(&config.module)?;
        let mut token = Self {
            module,
            config,
            state: RwLock::new(State::Away { why: String::new(), tried: Instant::now(), generation: 0 }),
        };
        let state = token.connect(1);
        if let State::Refused { why, .. } = state {
            return Err(Error::TokenSetup(why));
        }
        token.state = RwLock::new(state);
        Ok(token)
    }

    /// Whether the token is there and answers.
    ///
    /// # Errors
    /// [`Error::TokenAway`] or [`Error::TokenSetup`] with the reason.
    pub fn check(&self) -> Result<(), Error> {
        self.run(|lease| match lease.answers() {
            true => Ok(()),
            false => Err(Pkcs11Error::Pkcs11(RvError::DeviceRemoved, Function::GetTokenInfo).into()),
        })
    }

    pub(super) fn with_mechanisms<T>(
        &self,
        look: impl Fn(&Lease<'_>, &Mechanisms) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        self.run(|lease| look(lease, &lease.connection.mechanisms))
    }

    /// Does something in a session; a second time if the first met a lost connection or handle.
    pub(super) fn run<T>(&self, work: impl FnMut(&Lease<'_>) -> Result<T, Failure>) -> Result<T, Error> {
        self.run_for(Length::Short, work)
    }

    /// As [`Self::run`], for a call of that length.
    pub(super) fn run_for<T>(
        &self,
        length: Length,
        mut work: impl FnMut(&Lease<'_>) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let mut tried = false;
        loop {
            let (failure, generation) = {
                let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
                match &*state {
                    State::Connected(connection) => match connection.attempt(&self.module, length, &mut work) {
                        Ok(done) => return Ok(done),
                        Err(failure) => (failure, connection.generation),
                    },
                    State::Refused { why, .. } => return Err(Error::TokenSetup(why.clone())),
                    State::Away { why, tried, .. } if tried.elapsed() < RETRY => {
                        return Err(Error::TokenAway(why.clone()));
                    }
                    State::Away { why, generation, .. } => (Failure::Ours(Error::TokenAway(why.clone())), *generation),
                }
            };
            let away = matches!(failure, Failure::Ours(Error::TokenAway(_)));
            let lost = away || failure.is_lost();
            if tried || !(lost || failure.is_of_handle() || failure.is_of_session()) {
                return Err(failure.into_error());
            }
            tried = true;
            if lost {
                self.reconnect(generation);
            }
        }
    }

    /// Replaces that connection, unless somebody else has.
    fn reconnect(&self, lost: u64) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let generation = match &*state {
            State::Connected(connection) => connection.generation,
            State::Away { generation, .. } | State::Refused { generation, .. } => *generation,
        };
        if generation != lost {
            return;
        }
        // Sessions are closed before the library starts again and may give out their handles anew.
        *state = State::Away { why: "the connection is being set up".into(), tried: Instant::now(), generation };
        // Where the other end went away, this fails, and is all that can be done.
        let _ = self.module.clone().finalize();
        *state = self.connect(generation + 1);
    }

    fn connect(&self, generation: u64) -> State {
        match self.try_connect(generation) {
            Ok(connection) => State::Connected(Box::new(connection)),
            Err(Error::TokenSetup(why)) => State::Refused { why, generation },
            Err(error) => {
                let why = match error {
                    Error::TokenAway(why) | Error::Token(why) => why,
                    other => other.to_string(),
                };
                State::Away { why, tried: Instant::now(), generation }
            }
        }
    }

    fn try_connect(&self, generation: u64) -> Result<Connection, Error> {
        initialize(&self.module).map_err(Failure::into_error)?;
        let slot = self.slot()?;
        let session = self.module.open_rw_session(slot).map_err(|error| Failure::from(error).into_error())?;
        self.log_in(&session)?;
        let mechanisms = Mechanisms::read(&self.module, slot).map_err(|error| Failure::from(error).into_error())?;
        let held = self.module.get_token_info(slot).map(|info| info.max_rw_session_count());
        let most = match held {
            Ok(Limit::Max(most)) => usize::try_from(most).unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
        // One is the anchor.
        let room = self.config.sessions.min(most).saturating_sub(1).max(1);
        let most_long = (room / A_LONG_ONE_IN).max(1);
        let pool = Mutex::new(Pool { idle: Vec::new(), room, long: 0, most_long });
        Ok(Connection { generation, slot, mechanisms, pool, returned: Condvar::new(), _anchor: Mutex::new(session) })
    }

    fn slot(&self) -> Result<Slot, Error> {
        let slots = self.module.get_slots_with_initialized_token();
        let slots = slots.map_err(|error| Failure::from(error).into_error())?;
        let Some(label) = &self.config.label else {
            return match slots.as_slice() {
                [slot] => Ok(*slot),
                [] => Err(Error::TokenAway("the library has no token".into())),
                several => {
                    Err(Error::TokenSetup(format!("the library has {} tokens; choose one by its label", several.len())))
                }
            };
        };
        let labelled = |slot: &Slot| self.module.get_token_info(*slot).is_ok_and(|info| info.label() == label);
        match slots.into_iter().filter(labelled).collect::<Vec<_>>().as_slice() {
            [slot] => Ok(*slot),
            [] => Err(Error::TokenAway(format!("the library has no token with the label {label:?}"))),
            _ => Err(Error::TokenSetup(format!("several tokens have the label {label:?}"))),
        }
    }

    fn log_in(&self, session: &Session) -> Result<(), Error> {
        let pin = std::str::from_utf8(self.config.pin.expose());
        let pin = pin.map_err(|_| Error::TokenSetup("the PIN is not valid UTF-8".into()))?;
        let pin: AuthPin = Box::<str>::from(pin).into();
        let refused = |why: &str| Err(Error::TokenSetup(why.to_owned()));
        match session.login(UserType::User, Some(&pin)) {
            Ok(()) | Err(Pkcs11Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(Pkcs11Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _)) => {
                refused("it refuses the PIN; correct it, because the token locks itself after several wrong PINs")
            }
            Err(Pkcs11Error::Pkcs11(RvError::PinLocked, _)) => {
                refused("its PIN is locked; its administrator can unlock it")
            }
            Err(Pkcs11Error::Pkcs11(RvError::PinExpired, _)) => refused("its PIN has expired; set a new one"),
            Err(Pkcs11Error::Pkcs11(RvError::UserPinNotInitialized, _)) => refused("its user PIN was never set"),
            Err(error) => Err(Failure::from(error).into_error()),
        }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let away = State::Away { why: String::new(), tried: Instant::now(), generation: 0 };
        *self.state.get_mut().unwrap_or_else(PoisonError::into_inner) = away;
        let _ = self.module.clone().finalize();
    }
}

impl Connection {
    fn attempt<T>(
        &self,
        module: &Pkcs11,
        length: Length,
        work: &mut impl FnMut(&Lease<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let lease = Lease { module, connection: self, session: self.take(module, length)? };
        let result = match work(&lease) {
            Err(Failure::Pkcs11(Pkcs11Error::Pkcs11(RvError::GeneralError, function))) if !lease.answers() => {
                Err(Pkcs11Error::Pkcs11(RvError::DeviceRemoved, function).into())
            }
            other => other,
        };
        let mut pool = locked(&self.pool);
        pool.long -= usize::from(length == Length::Long);
        if matches!(result, Ok(_) | Err(Failure::Ours(_))) {
            pool.idle.push(lease.session);
        } else {
            // An operation may be left active in it.
            drop(lease);
            pool.room += 1;
        }
        drop(pool);
        // All, because one that makes a key pair may have to wait on.
        self.returned.notify_all();
        result
    }

    /// A session from the pool, or a new one if there is room, or else the next that is given back.
    fn take(&self, module: &Pkcs11, length: Length) -> Result<Session, Failure> {
        let is_long = length == Length::Long;
        let deadline = Instant::now() + if is_long { LONG_SESSION_WAIT } else { SESSION_WAIT };
        let mut pool = locked(&self.pool);
        loop {
            if !is_long || pool.long < pool.most_long {
                if let Some(session) = pool.idle.pop() {
                    pool.long += usize::from(is_long);
                    return Ok(session);
                }
                if pool.room > 0 {
                    pool.room -= 1;
                    pool.long += usize::from(is_long);
                    drop(pool);
                    let opened = module.open_rw_session(self.slot);
                    if opened.is_err() {
                        let mut pool = locked(&self.pool);
                        pool.room += 1;
                        pool.long -= usize::from(is_long);
                    }
                    return Ok(opened?);
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Failure::Ours(Error::TokenBusy));
            }
            pool = self.returned.wait_timeout(pool, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn load(path: &Path) -> Result<Pkcs11, Error> {
    Pkcs11::new(path).map_err(|error| {
        let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        Error::TokenSetup(format!("{} can't be loaded as a PKCS#11 library: {why}", path.display()))
    })
}

fn initialize(module: &Pkcs11) -> Result<(), Failure> {
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Pkcs11Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// One token that a library shows, for an operator to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenDescription {
    /// The label to name it by.
    pub label: String,
    /// Its maker, model and serial number.
    pub product: String,
}

/// The tokens that a library shows, without logging in. Call it before a [`Token`] of the same library is opened.
///
/// # Errors
/// [`Error::TokenSetup`] when the library can't be loaded; [`Error::TokenAway`] when it does not answer.
pub fn describe(module: &Path) -> Result<Vec<TokenDescription>, Error> {
    let module = load(module)?;
    let describe = || -> Result<Vec<TokenDescription>, Failure> {
        initialize(&module)?;
        let mut found = Vec::new();
        for slot in module.get_slots_with_initialized_token()? {
            let info = module.get_token_info(slot)?;
            let product =
                format!("{} {}, serial number {}", info.manufacturer_id(), info.model(), info.serial_number());
            found.push(TokenDescription { label: info.label().to_owned(), product });
        }
        Ok(found)
    };
    let found = describe();
    let _ = module.clone().finalize();
    found.map_err(Failure::into_error)
}
