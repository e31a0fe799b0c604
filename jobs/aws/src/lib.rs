//! The AWS side of the seams: objects on S3, the Glue catalog, the Athena engine.
