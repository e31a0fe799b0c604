-- name: invoices
-- version: 3
-- parameters:
--   invoices_table (name): invoices
--   invoices_location (text): the folder that invoice writes to
--   line_items_table (name): their lines
--
-- Invoices and their lines, partitioned by the month of use, in the billing time zone. The partition of invoices is what
-- publishes a month; that of line_items follows it. Drafts are made again, final months never change: filter on status.

CREATE EXTERNAL TABLE IF NOT EXISTS {{ invoices_table }} (
  `invoice_id`    string COMMENT 'stable: a draft that is made again keeps it',
  `customer_id`   string COMMENT 'the user of the access log',
  `customer_name` string,
  `period_start`  date   COMMENT 'the first day of the month',
  `period_end`    date   COMMENT 'the last day',
  `currency`      string COMMENT 'ISO 4217',
  `subtotal`      decimal(38,4) COMMENT 'the sum of all lines but tax',
  `tax`           decimal(38,4) COMMENT 'the sum of the tax lines',
  `total`         decimal(38,4) COMMENT 'to pay or, where negative, to pay back',
  `status`        string COMMENT 'draft or final'
)
PARTITIONED BY (`year` int, `month` int)
STORED AS PARQUET
LOCATION {{ invoices_location }};

CREATE EXTERNAL TABLE IF NOT EXISTS {{ line_items_table }} (
  `invoice_id`  string,
  `customer_id` string,
  `line`        int    COMMENT 'its number on the invoice, from 1',
  `kind`        string COMMENT 'usage, flat, minimum, maximum, discount, adjustment or tax',
  `plan`        string,
  `charge`      string COMMENT 'the charge of the plan; NULL for what concerns the whole plan or invoice',
  `meter`       string COMMENT 'the column of usage_daily that the charge counts',
  `usage_month` string COMMENT 'such as 2023-01; an earlier month than the invoice on what corrects that month',
  `quantity`    decimal(38,12) COMMENT 'what was used; NULL where nothing is counted',
  `amount`      decimal(38,4) COMMENT 'rounded to the minor unit of the currency; negative where it takes off',
  `currency`    string
)
PARTITIONED BY (`year` int, `month` int)
STORED AS PARQUET
LOCATION {{ invoices_location }};
