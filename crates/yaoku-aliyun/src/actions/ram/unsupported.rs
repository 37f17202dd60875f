//! Actions that SDKs know and this version does not do: they answer `UnsupportedOperation`.

/// Their names, in order.
pub(super) const UNSUPPORTED: &[&str] = &[
    "BindMFADevice",
    "ChangePassword",
    "ClearAccountAlias",
    "CreateLoginProfile",
    "CreateServiceLinkedRole",
    "CreateVirtualMFADevice",
    "DecodeDiagnosticMessage",
    "DeleteServiceLinkedRole",
    "DeleteVirtualMFADevice",
    "GetAccountAlias",
    "GetPasswordPolicy",
    "GetSecurityPreference",
    "GetServiceLinkedRoleTemplate",
    "ListVirtualMFADevices",
    "SetAccountAlias",
    "SetPasswordPolicy",
    "SetSecurityPreference",
    "UpdateLoginProfile",
];
