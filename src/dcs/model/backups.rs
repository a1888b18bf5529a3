//! Backups and restores (API reference 4.5).

use std::fmt;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize};

use super::{
    lenient::{self, Lenient, wire},
    text, time,
    words::{BackupFormat, BackupStatus, BackupType, RestoreStatus},
};

/// The longest remark in bytes. The console states this limit in bytes, the error code DCS.4098 in characters; the
/// smaller of the two holds on every site.
pub const MAX_REMARK_BYTES: usize = 128;

/// One page of the backups of an instance (4.5.6).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BackupPage {
    /// Number of matching backups on all pages.
    #[serde(deserialize_with = "lenient::required")]
    pub total_num: i64,
    /// Entries of this page.
    #[serde(rename = "backup_record_response", deserialize_with = "lenient::field")]
    pub records: Vec<BackupRecord>,
}

/// One page of the restores of an instance (4.5.3).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RestorePage {
    /// Number of matching restores on all pages.
    #[serde(deserialize_with = "lenient::required")]
    pub total_num: i64,
    /// Entries of this page.
    #[serde(rename = "restore_record_response", deserialize_with = "lenient::field")]
    pub records: Vec<RestoreRecord>,
}

wire! {
    /// A backup of an instance (4.5.6).
    pub struct BackupRecord {
        id {
            /// Id.
            pub backup_id: String,
        }
        /// Name, given by the service.
        pub backup_name: Option<String>,
        /// Instance id.
        pub instance_id: Option<String>,
        /// Status.
        pub status: Option<BackupStatus>,
        /// Whether the backup policy or a request made it.
        pub backup_type: Option<BackupType>,
        /// File format.
        pub backup_format: Option<BackupFormat>,
        /// Remark of the request; carries the mark of its owner.
        pub remark: Option<String>,
        /// Size of the files in bytes.
        pub size: Option<i64>,
        /// Progress in percent, written as `100.00`.
        pub progress: Option<f64>,
        /// Whether the backup can be restored to the instance as it is now.
        pub is_support_restore: Option<bool>,
        /// Reason of a failed backup: `dcs.08.0001` …
        pub error_code: Option<String>,
        /// Hours of the policy, for an automatic backup.
        pub period: Option<String>,
        /// Time of the request.
        #[serde(serialize_with = "lenient::write_time")]
        pub created_at: Option<DateTime<Utc>>,
        /// End time.
        #[serde(serialize_with = "lenient::write_time")]
        pub updated_at: Option<DateTime<Utc>>,
        /// Start time.
        #[serde(serialize_with = "lenient::write_time")]
        pub execution_at: Option<DateTime<Utc>>,
    }

    /// A restore of an instance (4.5.3).
    pub struct RestoreRecord {
        id {
            /// Id.
            pub restore_id: String,
        }
        /// Name, given by the service.
        pub restore_name: Option<String>,
        /// Id of the restored backup.
        pub backup_id: Option<String>,
        /// Name of the restored backup.
        pub backup_name: Option<String>,
        /// Remark of the restored backup.
        pub backup_remark: Option<String>,
        /// Remark of the request; carries the mark of its owner.
        pub restore_remark: Option<String>,
        /// Status.
        pub status: Option<RestoreStatus>,
        /// Progress in percent, written as `100.00`.
        pub progress: Option<f64>,
        /// Reason of a failed restore: `dcs.08.0001` …
        pub error_code: Option<String>,
        /// Time of the request.
        #[serde(serialize_with = "lenient::write_time")]
        pub created_at: Option<DateTime<Utc>>,
        /// End time.
        #[serde(serialize_with = "lenient::write_time")]
        pub updated_at: Option<DateTime<Utc>>,
    }

    /// The answer to the request for a backup (4.5.5).
    pub struct CreatedBackup {
        id {
            /// Id of the backup.
            pub backup_id: String,
        }
    }

    /// The answer to the request for a restore (4.5.2).
    pub struct CreatedRestore {
        id {
            /// Id of the restore.
            pub restore_id: String,
        }
    }
}

/// Links to the files of a backup (4.5.4).
#[derive(Debug, Clone, Default, Deserialize)]
pub struct BackupLinks {
    /// Folder of the files in the bucket.
    #[serde(default, deserialize_with = "lenient::field")]
    pub file_path: Option<String>,
    /// Bucket.
    #[serde(default, deserialize_with = "lenient::field")]
    pub bucket_name: Option<String>,
    /// One link per file.
    #[serde(deserialize_with = "lenient::field")]
    pub links: Vec<BackupLink>,
}

/// A link to a file of a backup. Who has the link can read all data, until the link expires.
#[derive(Clone, Deserialize)]
pub struct BackupLink {
    /// File name.
    #[serde(default, deserialize_with = "lenient::field")]
    pub file_name: Option<String>,
    /// Link, which is a secret.
    #[serde(deserialize_with = "secret")]
    pub link: SecretString,
}

/// A new backup (4.5.5).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CreateBackup {
    /// Remark; see [`Remark`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remark: Option<Remark>,
    /// File format. The default is not documented.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_format: Option<BackupFormat>,
}

/// A restore of a backup to its instance (4.5.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestoreBackup {
    /// Backup id.
    pub backup_id: String,
    /// Remark; see [`Remark`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remark: Option<Remark>,
}

/// The request for links (4.5.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinksRequest {
    /// Validity in seconds, 300 to 86,400.
    pub expiration: u32,
}

/// A remark that every site accepts and returns unchanged: one line of at most [`MAX_REMARK_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Remark(String);

/// A text cannot be a remark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidRemark {
    /// It has this many bytes.
    TooLong(usize),
    /// It has line breaks or control characters, which answers show as spaces.
    NotOneLine,
}

/// Filter and page of the backups or restores of an instance (4.5.3, 4.5.6).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordQuery {
    /// Entries to skip. Whether a site counts records or pages is not documented.
    pub offset: u32,
    /// Entries at most, 1 to [`MAX_PAGE`](super::MAX_PAGE); 10 if absent.
    pub limit: Option<u32>,
    /// Earliest request, by the clock of the service. A time in the future is refused (DCS.4031).
    pub begin_time: Option<DateTime<Utc>>,
    /// Latest request.
    pub end_time: Option<DateTime<Utc>>,
}

// === impl BackupLink ===

impl Lenient for Vec<BackupLink> {
    fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        lenient::list(deserializer)
    }
}

/// Hides the link.
impl fmt::Debug for BackupLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackupLink").field("file_name", &self.file_name).finish_non_exhaustive()
    }
}

impl BackupLink {
    /// The link itself.
    pub fn expose(&self) -> &str {
        self.link.expose_secret()
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    lenient::required::<String, D>(deserializer).map(SecretString::from)
}

// === impl Remark ===

impl Remark {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for Remark {
    type Error = InvalidRemark;

    fn try_from(text: &str) -> Result<Self, InvalidRemark> {
        if text.len() > MAX_REMARK_BYTES {
            Err(InvalidRemark::TooLong(text.len()))
        } else if text::one_line(text) != text {
            Err(InvalidRemark::NotOneLine)
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

// === impl InvalidRemark ===

impl fmt::Display for InvalidRemark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(bytes) => {
                write!(f, "a remark of {bytes} bytes is longer than {MAX_REMARK_BYTES} bytes")
            }
            Self::NotOneLine => f.write_str("a remark must not have line breaks or control characters"),
        }
    }
}

impl std::error::Error for InvalidRemark {}

// === impl RecordQuery ===

impl RecordQuery {
    /// As query parameters.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let Self { offset, limit, begin_time, end_time } = self;
        let mut parameters = vec![("offset", offset.to_string())];
        parameters.extend(limit.map(|limit| ("limit", limit.clamp(1, super::MAX_PAGE).to_string())));
        parameters.extend(begin_time.map(|at| ("begin_time", time::format_query(at))));
        parameters.extend(end_time.map(|at| ("end_time", time::format_query(at))));
        parameters
    }
}

/// The meaning of the error code of a failed backup or restore (4.5.3, 4.5.6), as the end of a sentence.
pub fn failure_meaning(error_code: &str) -> Option<&'static str> {
    let number = error_code.trim().to_ascii_lowercase();
    Some(match number.strip_prefix("dcs.08.")? {
        "0001" => "the tool for backups and restores did not start",
        "0002" => "it took too long",
        "0003" => "the storage bucket could not be deleted",
        "0004" => "the service got no keys for the storage bucket",
        "0005" => "the storage bucket could not be created",
        "0006" => "the size of the backup could not be read",
        "0007" => "the data could not be synchronized",
        "0008" => "the automatic backup did not run, because the instance was busy",
        _ => return None,
    })
}

// === impl BackupRecord ===

impl BackupRecord {
    /// Whether the backup can be restored now: it succeeded, still exists and fits the instance. An answer that does not
    /// say counts as no.
    pub fn is_restorable(&self) -> bool {
        self.status == Some(BackupStatus::Succeed) && self.is_support_restore == Some(true)
    }

    /// Whether it takes one of the places that an instance has: it is being made, or has files. Whether a failed one does is
    /// not documented.
    pub fn is_kept(&self) -> bool {
        match &self.status {
            Some(BackupStatus::Waiting | BackupStatus::Backuping | BackupStatus::Succeed) => true,
            // An unknown word may be one of a backup with files.
            Some(BackupStatus::Other(_)) | None => true,
            Some(BackupStatus::Failed | BackupStatus::Expired | BackupStatus::Deleted) => false,
        }
    }

    /// Whether the backup policy made it.
    pub fn is_automatic(&self) -> bool {
        self.backup_type == Some(BackupType::Auto)
    }

    /// When a backup that has ended was complete. An answer without that time has the time of the request.
    pub fn completed_at(&self) -> Option<DateTime<Utc>> {
        self.updated_at.or(self.created_at)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The example of the reference (4.5.6).
    #[test]
    fn the_example_of_a_backup_is_read() {
        let page: BackupPage = serde_json::from_value(json!({"total_num": 1, "backup_record_response": [{
            "period": {}, "backup_type": "manual", "created_at": "2019-05-10T08:31:16.166Z", "remark": "001",
            "is_support_restore": "TRUE", "backup_id": "4631832a-14c6-45b0-a0b3-3abd8f591ad1",
            "backup_name": "backup_20190510163116", "instance_id": "5560df16-cebf-4473-95c4-d1b573c16e79",
            "size": 880_232, "updated_at": "2019-05-10T08:32:30.546Z", "progress": "100.00", "error_code": {},
            "status": "succeed", "execution_at": "2019-05-11T08:31:16.166Z", "backup_format": "aof"}]}))
        .unwrap();
        let [record] = &page.records[..] else { panic!("one record: {page:?}") };
        assert_eq!((&record.period, &record.error_code), (&None, &None), "`{{}}` is no value");
        assert_eq!((record.size, record.progress), (Some(880_232), Some(100.0)));
        assert_eq!(record.remark.as_deref(), Some("001"));
        assert_eq!(record.backup_format, Some(BackupFormat::Aof));
        assert!(record.is_restorable());
    }

    /// The example of the reference (4.5.3).
    #[test]
    fn the_example_of_a_restore_is_read() {
        let page: RestorePage = serde_json::from_value(json!({"restore_record_response": [{
            "backup_id": "f4823e9e-fe9b-4ffd-be79-4e5d6de272bb",
            "restore_id": "a6155972-800c-4170-a479-3231e907d2f6", "backup_name": "backup_20170718000002",
            "updated_at": "2017-07-18T21:41:35.182Z", "restore_remark": "doctest",
            "created_at": "2017-07-18T21:41:20.721Z", "progress": "100.00", "error_code": {},
            "restore_name": "restore_20170718214120", "backup_remark": {}, "status": "succeed"}], "total_num": 1}))
        .unwrap();
        assert_eq!(page.records[0].status, Some(RestoreStatus::Succeed));
        assert_eq!(page.records[0].backup_remark, None);
        assert_eq!(page.records[0].restore_remark.as_deref(), Some("doctest"));
    }

    #[test]
    fn only_a_whole_page_is_one() {
        for wrong in [
            json!({}),
            json!({"total_num": 1}),
            json!({"backup_record_response": []}),
            json!({"total_num": {}, "backup_record_response": []}),
            json!({"total_num": 1, "backup_record_response": [{"backup_name": "x"}]}),
            json!({"total_num": 1, "backup_record_response": [{"backup_id": "a/b"}]}),
        ] {
            assert!(serde_json::from_value::<BackupPage>(wrong.clone()).is_err(), "{wrong}");
        }
        let empty = json!({"total_num": "0", "backup_record_response": null});
        assert_eq!(serde_json::from_value::<BackupPage>(empty).unwrap(), BackupPage::default());
    }

    #[test]
    fn failures_have_meanings() {
        for number in 1..=8 {
            assert!(failure_meaning(&format!("dcs.08.000{number}")).is_some(), "{number}");
        }
        assert_eq!(failure_meaning(" DCS.08.0002"), Some("it took too long"));
        for unknown in ["", "dcs.08.0009", "DCS.4031", "dcs.08."] {
            assert_eq!(failure_meaning(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn what_can_be_restored() {
        for (status, supported, expected) in [
            (json!("succeed"), json!("TRUE"), true),
            (json!("SUCCEED"), json!(true), true),
            (json!("succeed"), json!("FALSE"), false),
            (json!("succeed"), json!({}), false),
            (json!("expired"), json!("TRUE"), false),
            (json!("archived"), json!("TRUE"), false),
            (json!(null), json!("TRUE"), false),
        ] {
            let value = json!({"backup_id": "b", "status": status, "is_support_restore": supported});
            let record: BackupRecord = serde_json::from_value(value.clone()).unwrap();
            assert_eq!(record.is_restorable(), expected, "{value}");
        }
    }

    #[test]
    fn remarks() {
        for (text, expected) in [
            (String::new(), None),
            ("x".repeat(128), None),
            ("缓".repeat(42), None),
            ("x".repeat(129), Some(InvalidRemark::TooLong(129))),
            ("缓".repeat(43), Some(InvalidRemark::TooLong(129))),
            ("two\nlines".to_owned(), Some(InvalidRemark::NotOneLine)),
        ] {
            assert_eq!(Remark::try_from(text.as_str()).err(), expected, "{text}");
        }
    }

    #[test]
    fn links_do_not_show() {
        let link = "https://bucket.example.com/file.rdb?Signature=canary";
        let links: BackupLinks = serde_json::from_value(json!({"file_path": "a/b/", "bucket_name": "bucket",
            "links": [{"file_name": "file.rdb", "link": link}]}))
        .unwrap();
        assert_eq!(links.links[0].expose(), link);
        assert!(!format!("{links:?}").contains("canary"), "{links:?}");
    }
}
