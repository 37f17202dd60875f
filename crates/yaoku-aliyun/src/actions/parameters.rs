//! Parameters of actions, each declared once: its name, whether it must be there, what the audit trail may show of it, and
//! how it is read.
//!
//! ```text
//! parameters! {
//!     struct EncryptParameters {
//!         key: KeyRef = "KeyId" required shown => key_ref;
//!         plaintext: Plaintext = "Plaintext" required hidden => plaintext(MAX_PLAINTEXT);
//!         context: EncryptionContext = "EncryptionContext" default(EncryptionContext::default()) hidden => context;
//!         _ = "DryRun" optional shown => dry_run;
//!     }
//! }
//! ```
//!
//! This makes a struct of those fields, the table `PARAMS` that an [`Action`](super::Action) shows of itself, and `read`, which
//! reads the values in the order of the lines, after the presence of all that is required was checked. A line says, in order:
//!
//! | part | what |
//! |---|---|
//! | `key: KeyRef` | the field that gets the value; `_` for a parameter whose reader has no value, such as one that is refused |
//! | `"KeyId"` | the name on the wire; of a flattened list or map, the part before the first dot |
//! | `required` | without it the request fails; `optional` gives an `Option`, `default(…)` the value that stands for its absence; with `later`, the field is the [`Parameter`](super::arguments::Parameter) `=> itself`, since it depends on others whether its value counts |
//! | `shown` | the audit trail may show the value; `hidden`: it is a secret, stands for one, or tells of one |
//! | `key_ref` | the method of [`Parameter`](super::arguments::Parameter) that reads it |
//!
//! An action's function gets the struct and no other way to its parameters. So what is not declared can't be read, and a
//! field that is declared and never read does not compile.

/// Whether the audit trail may show a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// It may.
    Shown,
    /// It is a secret, or stands for one, or tells of one.
    Hidden,
}

/// A parameter of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param {
    /// Its name; of a flattened list, the part before `.1`.
    pub name: &'static str,
    /// Whether a request without it fails.
    pub required: bool,
    /// Whether the audit trail may show it.
    pub exposure: Exposure,
}

/// Declares the parameters of an action; see the head of [this module](self).
macro_rules! parameters {
    (@required required) => { true };
    (@required optional) => { false };
    (@required default) => { false };
    (@required later) => { false };

    (@exposure shown) => { crate::actions::Exposure::Shown };
    (@exposure hidden) => { crate::actions::Exposure::Hidden };

    (@value $given:ident required [] $read:expr) => { $given.required($read?)? };
    (@value $given:ident optional [] $read:expr) => { $read? };
    (@value $given:ident later [] $read:expr) => { $read };
    (@value $given:ident default [$default:expr] $read:expr) => { $read?.unwrap_or_else(|| $default) };

    (@let $arguments:ident _ [] $name:literal $reader:ident [$($argument:expr),*] $presence:ident []) => {
        let _: Option<()> = $arguments.declared($name).$reader($($argument),*)?;
    };
    (@let $arguments:ident $field:ident [$type:ty] $name:literal $reader:ident [$($argument:expr),*] $presence:ident $default:tt) => {
        let given = $arguments.declared($name);
        let $field: $type = parameters!(@value given $presence $default given.$reader($($argument),*));
    };

    (@define [$($attribute:tt)*] [$visibility:vis] $Name:ident [$($life:lifetime)?] [$arguments:ty] { $(
        $field:tt $(: $type:ty)? = $name:literal $presence:ident $(($default:expr))? $exposure:ident
            => $reader:ident $(($($argument:expr),*))?;
    )* }) => {
        $($attribute)*
        #[deny(dead_code, reason = "a parameter that is declared is read")]
        $visibility struct $Name $(<$life>)? {
            $($($visibility $field: $type,)?)*
        }

        impl $(<$life>)? $Name $(<$life>)? {
            $visibility const PARAMS: &'static [crate::actions::Param] = &[$(crate::actions::Param {
                name: $name,
                required: parameters!(@required $presence),
                exposure: parameters!(@exposure $exposure),
            }),*];

            $visibility fn read(arguments: $arguments) -> Result<Self, crate::wire::WireError> {
                $(parameters!(
                    @let arguments $field [$($type)?] $name $reader [$($($argument),*)?] $presence [$($default)?]
                );)*
                Ok(Self { $($($field: std::convert::identity::<$type>($field),)?)* })
            }
        }
    };

    ($(#[$attribute:meta])* $visibility:vis struct $Name:ident<$life:lifetime> { $($lines:tt)* }) => {
        parameters!(
            @define [$(#[$attribute])*] [$visibility] $Name [$life]
            [&$life crate::actions::Arguments<$life>] { $($lines)* }
        );
    };
    ($(#[$attribute:meta])* $visibility:vis struct $Name:ident { $($lines:tt)* }) => {
        parameters!(
            @define [$(#[$attribute])*] [$visibility] $Name [] [&crate::actions::Arguments<'_>] { $($lines)* }
        );
    };
}
pub(in crate::actions) use parameters;
