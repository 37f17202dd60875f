//! What the protocol tells the gate of a call. Never its path: whoever knows the URL of a disk can unlock it.

use std::borrow::Cow;

use yaoku_disks::operations::exchange::{AdvertiseDisk, UnlockDisk};
use yaoku_disks::{DISK, DiskName};
use yaoku_gate::{Telling, ToldAction};
use yaoku_iam::{Named, Operation, OperationSpec, Which};
use yaoku_kms::{KEY, KeyId};

use crate::route::Route;

/// The service, as records and metrics name it.
pub(crate) const SERVICE: &str = "Tang";
/// What records call a disk.
const DISK_TYPE: &str = "ACS::Yaoku::Disk";
/// What is asked for by paths of the protocol.
pub(crate) const ACTIONS: [OperationSpec; 2] = [AdvertiseDisk::SPEC, UnlockDisk::SPEC];

/// A call, as far as it has been read.
pub(crate) struct Told {
    pub(crate) route: Route,
    /// The disk, where the call is not in its name although it knows its URL.
    pub(crate) disk: Option<DiskName>,
}

impl Told {
    /// The position of the action in [`ACTIONS`].
    const fn number(&self) -> Option<usize> {
        match self.route {
            Route::Advertise(..) => Some(0),
            Route::Recover(..) => Some(1),
            Route::OtherMethod(_) | Route::Unknown => None,
        }
    }
}

impl Telling for Told {
    fn service(&self) -> &str {
        SERVICE
    }

    fn api_version(&self) -> &str {
        ""
    }

    fn name(&self) -> &str {
        self.number().and_then(|number| ACTIONS.get(number)).map_or("Unknown", |spec| spec.name)
    }

    fn action(&self) -> Option<ToldAction> {
        let number = self.number()?;
        Some(ToldAction { access: ACTIONS.get(number)?.access, counted: Some(number) })
    }

    fn claimed_access_key(&self) -> &str {
        ""
    }

    fn parameters(&self, show: &mut dyn FnMut(&str, &str)) {
        if let Route::Advertise(_, Some(thumbprint)) | Route::Recover(_, thumbprint) = &self.route {
            show("thumbprint", &thumbprint.to_string());
        }
    }

    fn resources(&self, touched: &[Named]) -> Vec<(&'static str, Cow<'_, str>)> {
        let shown = |named: &Named| match &named.name {
            Which::Name(name) if named.kind == DISK => Some((DISK_TYPE, Cow::Owned(name.to_string()))),
            Which::Id(id) if named.kind == KEY => {
                Some(("ACS::KMS::Key", Cow::Owned(KeyId::from_bytes(*id).to_string())))
            }
            Which::All | Which::Id(_) | Which::Name(_) => None,
        };
        let own = self.disk.iter().map(|disk| (DISK_TYPE, Cow::Owned(disk.to_string())));
        own.chain(touched.iter().filter_map(shown)).collect()
    }

    fn elements(&self) -> Option<serde_json::Value> {
        None
    }
}
