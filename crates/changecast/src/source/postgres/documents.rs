//! Rows by primary key, as documents.

use std::sync::Arc;

use async_trait::async_trait;

use super::catalog::Control;
use crate::source::{Documents, DocumentsError, Write, Written};

pub(super) struct PostgresDocuments {
    control: Arc<Control>,
}

impl PostgresDocuments {
    pub(super) fn new(control: Arc<Control>) -> Self {
        Self { control }
    }
}

#[async_trait]
impl Documents for PostgresDocuments {
    async fn get(&self, _: &str, _: &str) -> Result<Option<String>, DocumentsError> {
        let _ = &self.control;
        Err(DocumentsError::Invalid("not yet".into()))
    }

    async fn write(&self, _: &str, _: &str, _: Write) -> Result<Written, DocumentsError> {
        Err(DocumentsError::Invalid("not yet".into()))
    }
}
