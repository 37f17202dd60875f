//! The part of ActionTrail, Version 2020-07-06, that reads the audit log.

mod events;

pub(in crate::actions) use events::failure;

use super::{Action, Api, Exchange, Reply, XmlRoot, parameters};
use crate::wire::Format;

/// The API.
pub(super) const API: Api = Api {
    version: "2020-07-06",
    service: "Actiontrail",
    families: &[events::ACTIONS],
    unsupported: &[
        "CreateAdvancedQueryHistory",
        "CreateAdvancedQueryTemplate",
        "CreateDeliveryHistoryJob",
        "CreateTrail",
        "DeleteAdvancedQueryHistory",
        "DeleteAdvancedQueryTemplate",
        "DeleteDataEventSelector",
        "DeleteDeliveryHistoryJob",
        "DeleteTrail",
        "DescribeAdvancedQueryHistory",
        "DescribeAdvancedQueryTemplate",
        "DescribeRegions",
        "DescribeResourceLifeCycleEvents",
        "DescribeScenes",
        "DescribeSearchTemplates",
        "DescribeTrails",
        "DescribeUserAlertCount",
        "DescribeUserLogCount",
        "DisableInsight",
        "EnableInsight",
        "GetAccessKeyLastUsedEvents",
        "GetAccessKeyLastUsedInfo",
        "GetAccessKeyLastUsedIps",
        "GetAccessKeyLastUsedProducts",
        "GetAccessKeyLastUsedResources",
        "GetAdvancedQueryTemplate",
        "GetDataEventSelector",
        "GetDeliveryHistoryJob",
        "GetGlobalEventsStorageRegion",
        "GetGovernanceMetrics",
        "GetInsightSelectors",
        "GetInsightTypes",
        "GetInsightsEventsCount",
        "GetTrailStatus",
        "ListDataEventSelectors",
        "ListDataEventServices",
        "ListDeliveryHistoryJobs",
        "LookupInsightEvents",
        "PutDataEventSelector",
        "PutInsightSelectors",
        "StartLogging",
        "StopLogging",
        "UpdateAdvancedQueryTemplate",
        "UpdateGlobalEventsStorageRegion",
        "UpdateTrail",
    ],
    format: Format::Xml,
    xml_root: XmlRoot::OfAction,
    resources: &[],
    unrecorded: None,
    refuses_unknown: false,
};
