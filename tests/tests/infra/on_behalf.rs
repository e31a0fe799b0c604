//! What is done with a job's rights although the job does not ask for it, or only where something went wrong. No recorded
//! call shows it, so each is here with its reason.

use meterlake_core::config::Config;

use crate::grants::Need;
use crate::templates::{ACCOUNT, REGION};

/// The needs of a job.
pub(crate) fn on_behalf_of(job: &str, config: &Config) -> Vec<Need> {
    let lake = Lake { config };
    let mut needs = lake.every_job();
    needs.extend(match job {
        "Tables" => lake.tables(),
        "Repair" => lake.repair(),
        "Merge" => lake.merge(),
        "Aggregate" => lake.aggregate(),
        "Invoice" => lake.invoice(),
        other => panic!("no job is named {other}"),
    });
    needs
}

struct Lake<'a> {
    config: &'a Config,
}

impl Lake<'_> {
    fn bucket(&self) -> &str {
        self.config.lake.bucket_and_key().unwrap().0
    }

    fn object(&self, action: &str, folder: &str) -> Need {
        Need::new(action, &format!("arn:aws:s3:::{}/{folder}/x", self.bucket()))
    }

    fn in_bucket(&self, action: &str) -> Need {
        Need::new(action, &format!("arn:aws:s3:::{}", self.bucket()))
    }

    fn list(&self, folder: &str) -> Need {
        Need::list(self.bucket(), &format!("{folder}/"))
    }

    fn table(&self, operation: &str, table: impl ToString) -> Vec<Need> {
        Need::table(operation, self.config.database.as_str(), &table.to_string())
    }

    fn every_job(&self) -> Vec<Need> {
        let mut needs = vec![
            // Athena writes the result of each query, and reads it when it is asked for.
            self.in_bucket("s3:GetBucketLocation"),
            self.in_bucket("s3:ListBucketMultipartUploads"),
            self.list("athena-results"),
        ];
        for action in ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"] {
            needs.push(self.object(action, "athena-results"));
        }
        // Athena looks the query's database up, and the one named default.
        needs.extend(Need::database("GetDatabase", self.config.database.as_str()));
        needs.extend(Need::database("GetDatabase", "default"));
        // Lambda writes the log, and sends what failed for good.
        let log = format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/meterlake/jobs:*");
        needs.push(Need::new("logs:CreateLogStream", &log));
        needs.push(Need::new("logs:PutLogEvents", &log));
        needs.push(Need::new("sqs:SendMessage", &format!("arn:aws:sqs:{REGION}:{ACCOUNT}:meterlake-failed-runs")));
        needs
    }

    fn tables(&self) -> Vec<Need> {
        let layout = self.config.layout();
        let access_log = [&layout.raw, &layout.lines, &layout.merged, &layout.copies, &layout.malformed];
        let billing = [&layout.usage_daily, &layout.invoices, &layout.line_items];
        let mut needs = Need::database("CreateDatabase", self.config.database.as_str());
        for table in access_log.into_iter().chain(billing) {
            // Athena looks for a table before it creates it.
            needs.extend(self.table("GetTable", &table.name.table));
            needs.extend(self.table("CreateTable", &table.name.table));
            // What a later version of the tables adds: ALTER TABLE.
            needs.extend(self.table("UpdateTable", &table.name.table));
            // Hive looks at the place of a table that it creates.
            let (_, folder) = table.folder.bucket_and_key().unwrap();
            needs.extend([self.list(folder), self.object("s3:GetObject", folder)]);
        }
        needs
    }

    fn repair(&self) -> Vec<Need> {
        let (tables, folders) = (&self.config.tables, &self.config.folders);
        let mut needs = Vec::new();
        for table in [&tables.merged, &tables.usage_daily, &tables.invoices] {
            needs.extend(self.catch_up(table));
        }
        // Where raw files are not those that an hour was made from, its manifest tells which.
        needs.push(self.object("s3:GetObject", &folders.merged));
        // An upload that a killed run left in a generation that another run published.
        for folder in [&folders.merged, &folders.usage_daily, &folders.invoices] {
            needs.push(self.object("s3:AbortMultipartUpload", folder));
        }
        needs
    }

    fn merge(&self) -> Vec<Need> {
        let (tables, folders) = (&self.config.tables, &self.config.folders);
        let mut needs = self.staging("merge");
        needs.extend(self.writing("merge", &folders.merged));
        // Athena reads the hour's lines, and the calls and copies of the hour before.
        for table in [&tables.lines, &tables.merged, &tables.copies] {
            needs.extend(self.table("GetPartitions", table));
            needs.extend(self.table("BatchGetPartition", table));
        }
        for folder in [&folders.raw, &folders.merged] {
            needs.extend([self.list(folder), self.object("s3:GetObject", folder)]);
        }
        needs
    }

    fn aggregate(&self) -> Vec<Need> {
        let (tables, folders) = (&self.config.tables, &self.config.folders);
        let mut needs = self.staging("aggregate");
        needs.extend(self.writing("aggregate", &folders.usage_daily));
        // Athena counts the rows that it wrote.
        needs.push(self.object("s3:GetObject", &folders.usage_daily));
        // Athena reads the day's partitions.
        needs.extend(self.table("GetPartitions", &tables.merged));
        needs.push(self.list(&folders.merged));
        needs.push(self.object("s3:GetObject", &folders.merged));
        needs.extend(self.catch_up(&tables.merged));
        needs
    }

    fn invoice(&self) -> Vec<Need> {
        let (tables, folders) = (&self.config.tables, &self.config.folders);
        let mut needs = self.writing("invoice", &folders.invoices);
        // As for repair.
        needs.push(self.object("s3:GetObject", &folders.merged));
        // Athena reads the month's partitions.
        needs.push(self.list(&folders.usage_daily));
        needs.push(self.object("s3:GetObject", &folders.usage_daily));
        for table in [&tables.merged, &tables.usage_daily] {
            needs.extend(self.catch_up(table));
        }
        needs
    }

    /// Athena makes the table of a CTAS, and looks at it.
    fn staging(&self, job: &str) -> Vec<Need> {
        let table = format!("meterlake_staging_{job}_20230131t071000_617869c8");
        ["GetTable", "CreateTable"].iter().flat_map(|operation| self.table(operation, &table)).collect()
    }

    /// Athena writes the rows, in parts; what a killed run left of them is given up. Who joins such a run reads its record.
    fn writing(&self, job: &str, folder: &str) -> Vec<Need> {
        let record = self.object("s3:GetObject", &format!(".meterlake/runs/{job}"));
        let rows = ["s3:PutObject", "s3:AbortMultipartUpload"].iter().map(|action| self.object(action, folder));
        rows.chain([record]).collect()
    }

    /// Whoever finds that Glue does not show what is published puts it right. And where several partitions are asked for,
    /// Glue may want some of them asked for one by one.
    fn catch_up(&self, table: impl ToString) -> Vec<Need> {
        let table = table.to_string();
        let mut needs = vec![self.object("s3:GetObject", &format!(".meterlake/publications/{table}"))];
        for operation in ["BatchCreatePartition", "BatchUpdatePartition", "GetPartition"] {
            needs.extend(self.table(operation, &table));
        }
        needs
    }
}
