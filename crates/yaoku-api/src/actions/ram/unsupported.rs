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
    "DeleteLoginProfile",
    "DeleteServiceLinkedRole",
    "DeleteVirtualMFADevice",
    "GetAccountAlias",
    "GetLoginProfile",
    "GetPasswordPolicy",
    "GetSecurityPreference",
    "GetServiceLinkedRoleTemplate",
    "GetUserMFAInfo",
    "ListVirtualMFADevices",
    "SetAccountAlias",
    "SetPasswordPolicy",
    "SetSecurityPreference",
    "UnbindMFADevice",
    "UpdateLoginProfile",
];
