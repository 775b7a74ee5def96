"""The file that `s3gc init` writes: every setting with its default, and what it is for."""

from __future__ import annotations

CONFIG_TEMPLATE = """\
# Configuration of s3gc. Every value below is the default; only `bucket` has none.
# Environment variables win over this file: S3_BUCKET, AWS_REGION, DATABASE_URL, and S3GC_ with the
# setting's name, such as S3GC_RETENTION_DAYS or S3GC_MAX_SHARE (lists: separated by commas).
# Credentials of the object store come from AWS's own places (environment, profile, role).

# The bucket to keep clean, or the ARN of an access point. Required.
bucket = ""

# The region the bucket is in.
region = "us-east-1"

# The URL of an object store other than AWS: MinIO, SeaweedFS, R2 ... Empty for AWS.
endpoint_url = ""

# Who pays for requests: owner, or requester where the bucket is one of "requester pays".
request_payer = "owner"

# The 12 digits of the AWS account that has to own the bucket: a bucket of that name in any other is
# not touched. Empty: not asked. Not every store knows it (R2 does not).
expected_bucket_owner = ""

# S3's own checksums, besides Content-MD5: auto (those of answers, on AWS only), on, off.
checksums = "auto"

# What a run may do: dry_run (look), audit_only (look and record), execute (also delete).
mode = "dry_run"

# Defaults and floors at once: "standard"; "safe" (retention_days 7 or more); "aggressive"
# (retention_days 1 unless written); "compliance" (retention_days 30 or more, and
# require_second_person). None of them changes the mode. In the environment: S3GC_PROFILE.
caution = "standard"

# Objects younger than this many days are kept, and so are those whose last reference went away
# less than this many days ago. 1 to 3650; 1 day is the floor that protects uploads in flight.
retention_days = 7

# Keys that begin with one of these are never touched, such as ["backups/", "static/"].
exclude_prefixes = []

# Keys that match one of these shell globs are never touched, such as ["*.keep"].
exclude_patterns = []

# URLs under which a CDN serves this bucket, such as ["https://cdn.example.com/"].
cdn_bases = []

# URLs of image resizers and proxies, with {key} where the key (or its URL) stands; * is anything
# within a segment of the path, ** anything. Such as ["https://img.example.com/*/plain/{key}@*",
# "/resize?src={key}&**"]. Many are known without: Next.js, Cloudflare, imgproxy, thumbor ...
# Also what URLs have before the key: "/media/{key}", or with what the key begins with in the
# bucket: "/api/file/{key} -> media/{key}". `s3gc discover` finds these by itself.
url_patterns = []

# Where backups and the audit log live: a folder on a local disk. Relative to this file.
vault_path = "./s3gc_vault"

# When unattended runs start, in UTC: HH:MM, or a cron expression of five fields.
schedule_cron = "02:30"

# Unattended runs and drills start up to so many seconds (43200 at most) later than that: each
# vault always by the same time, so that many of them do not ask one server at once.
schedule_jitter_seconds = 0

# When `s3gc serve` restores some backups for trial, written as above; "": never. And how many.
drill_cron = ""
drill_sample = 20

# How hard backups are compressed: zstd level, 1 to 22. What level 1 saves less than 3 % of is kept
# as it is. Where everything else waits for the encoder, it goes down, but not under the floor; with
# a floor equal to the level it is fixed.
compression_level = 19
compression_floor = 3

# Whether JPEG files are backed up as JPEG XL where that is proven to give back exactly their bytes:
# a fifth smaller, for a third of a second of CPU per MB. Needs pip install "s3gc[images]", also
# for restores.
jpegxl = false

# How pictures are backed up: "exact" gives back every byte. "compact" is LOSSY: JPEG, PNG and WebP
# become JPEG of at most 2048 pixels a side where that saves 30 % or more, and the object as it was
# is gone for ever once it is deleted. It needs, word for word, images_acknowledged =
# "what is restored of a picture is smaller and worse, and the original is gone"
images = "exact"
images_acknowledged = ""
# Whether new backups are encrypted, and for whom: age public keys, each of which alone opens them
# (have two: yours, and one in a safe place). encryption = "age" needs pip install "s3gc[encrypt]".
# Only who restores or verifies needs the secret key, by the absolute path of a file for its owner
# alone. s3gc vault keygen makes a key, s3gc vault key-test proves it.
encryption = "none"
encryption_recipients = []
encryption_identity_file = ""

# Whether equal bytes are stored once in the vault, whatever the keys of their objects are.
deduplicate = true

# Requests to the object store at the same time, at most: 1 to 256.
max_concurrency = 32

# Requests to the object store a second, and million bytes a second of objects read and written, at
# most, all work of one command together; 0 sets no limit.
max_requests_per_second = 0
max_bandwidth_mb_per_second = 0

# A plan that is not executed within this many hours is worthless: 1 to 720.
plan_lifetime_hours = 24

# How many days back every deletion must be restorable from the vault.
vault_horizon_days = 90

# How many days back the databases can be restored, by backups or to a point in time: rows that
# come back that way need their files, so vault_horizon_days may not be less. 0: they never are.
database_restore_days = 35
# A file outside of the vault, by its absolute path, for heads of the audit log: it shows when the
# vault was put back to an older state. Best on another disk or machine; one file for each vault.
audit_anchor_file = ""
# A key that signs those heads (s3gc vault keygen --anchor), by the absolute path of a file for its
# owner alone, outside of the vault: who makes log and heads anew is noticed. And public keys of
# others that are trusted, such as earlier ones. Needs pip install "s3gc[sign]".
anchor_key_file = ""
anchor_public_keys = []

# Where in the bucket `s3gc drill --to` may put objects for a moment; no scan lets those go.
drill_prefix = ".s3gc-drill/"

# When a row refers to a deleted object again: "alert" says so, "restore" also brings it back.
heal = "alert"

# Whether whoever approved a plan may not be the one who executes it.
require_second_person = false

# When this store deletes an object whatever its ETag is by now, which a probe object shows at the
# start of each execution: "refuse" deletes nothing there. "head-compare-delete" looks at each
# object right before its delete, and keeps what is not exactly what was backed up; but what is
# overwritten between that look and the delete (some milliseconds) is lost, and nobody sees it.
unsafe_store = "refuse"

# Where a scan looks for the keys of candidates: "everything" is every text column of every table,
# tracked or not; "tracked" leaves out what nobody listed under [tables].
database_search = "everything"

# Over so many bytes of tables, as the databases estimate them, the search is refused (50 GiB).
database_search_max_bytes = 53687091200

# Tables that need not be searched: "table", "schema.table", "database:schema.table".
database_search_skip = []

# Million bytes a second that the search reads at most; 0 sets no limit.
max_database_mb_per_second = 0

# What stops a whole run. Shares are above 0, up to 1 (all).
[guards]
# Objects that one plan may delete.
max_objects = 100000
# Bytes that one plan may delete (1 TiB).
max_bytes = 1099511627776
# Share of the bucket's objects that one plan may delete.
max_share = 0.5
# Objects that may be deleted within 24 hours, by all executions; 0: as many as by one plan.
max_objects_per_day = 0
# The same in bytes.
max_bytes_per_day = 0
# Stop when a source yields less than this share of the keys it had last time.
source_shrunk_share = 0.5
# Stop when less than this share of a source's rows name an object that exists (not for codec text).
reverse_match_share = 0.5
# Stop when that share fell by more than this since the last scan.
reverse_match_drop = 0.05
# Stop when the bucket has less than this share of the objects it had last time.
listing_shrunk_share = 0.5

# Budgets of what lies under a prefix, besides those of the bucket. A key counts for every prefix
# that it begins with. What is not said has no limit; for 24 hours, that of one plan.
# [guards.prefixes."avatars/"]
# max_objects = 1000
# max_bytes = 1073741824
# max_share = 0.2                # of the objects under the prefix
# max_objects_per_day = 2000
# max_bytes_per_day = 2147483648

# Another bucket, best in another account or at another provider, for a copy of the whole vault. Its
# credentials need to write, read and list, not to delete. `s3gc vault rebuild --from-replica`
# brings a lost vault back. In the environment: S3GC_REPLICA_BUCKET and so on.
# [replica]
# bucket = "photos-vault"          # never the bucket above
# region = "us-east-1"
# endpoint_url = ""
# prefix = ""                      # a folder of it, such as "photos/"; one for each vault
# expected_bucket_owner = ""
# profile = ""                     # of the AWS configuration; empty: the credentials of the bucket
# access_key_env = ""              # or the environment variables that hold its two keys
# secret_key_env = ""
# durability = "local"             # "replica": nothing is deleted before the replica has its backup

# The admin API that `s3gc serve` answers (pip install "s3gc[api]"), in clear text: beyond this
# machine put TLS before it. It is served where there is a token; each has a name, and is held by an
# environment variable or by a file. S3GC_ADMIN_API_KEY holds the write token named admin.
# [api]
# host = "127.0.0.1"
# port = 8473
# [api.tokens]
# monitoring = { env = "MONITORING_TOKEN" }
# deployer = { file = "/run/secrets/deployer", write = true }

# What storage and requests cost, for `s3gc report`: a GiB for a month by storage class, and 1,000
# requests (GET, LIST, DELETE). What is not said costs what AWS asks in us-east-1, in US dollars.
# [prices]
# STANDARD = 0.023
# GET = 0.0004

# Other keys for the dashboard, by the action's id; its help (?) lists actions and keys.
# [keys]
# pane.log = "f2"
# execute = "alt+x"        # what is dangerous takes ctrl+letter and alt+letter only

# The application's database (databases, with [[database]] several times). It is only read.
# [database]
# url = "postgresql://user:password@localhost:5432/app"   # or mysql://, sqlite:///relative.db
# url_env = "APP_DATABASE_URL"   # instead of url: the environment variable that holds the URL
# name = "main"                  # how sources and reports call it
# cdc = false                    # follow its changes as they happen
# cdc_backend = "postgresql"     # postgresql, mysql or sqlite; the URL says it too
# cdc_over = "replication"       # "sql": PostgreSQL behind a pooler; slower, and costs it more
# max_kept_bytes = 10737418240   # of its log the server may keep for us; warned from a tenth on
# replica_ok = false             # true: deletions may go by a replica, which may lack the latest

# The sources: which columns hold keys of this bucket. "schema.table" in quotes.
[tables]
# users = ["avatar_url", "cover_photo"]
# posts = [
#     { column = "body", codec = "text" },
#     { column = "image", where = "deleted_at IS NULL", may_be_empty = true, database = "main" },
# ]
# A codec says how keys are written in a column; auto (the default) tries all that take one value:
#   key    the whole value                url    a URL of this bucket
#   text   anywhere in text, HTML, Markdown, serialised values
#   json   every string inside, or those that path (JSONPath, RFC 9535) selects
#   array  the elements of {a,"b c"} or ["a"]
#   csv    fields between separator (default ","), quoted or not
#   regex  what pattern finds: its group (?P<key>...), its only group, or the whole match
# articles = [
#     { column = "meta", codec = "json", path = "$.images[*].src" },
#     { column = "gallery", codec = "csv", separator = ";" },
#     { column = "log", codec = "regex", pattern = "file=(?P<key>[^ ]+)" },
#     { column = "pictures", codec = "array" },
# ]
# A template makes keys of a row's columns (codec template): {id}, a slice {hash[0:2]}, a format
# {id:0>8}, alternatives {200,400,800} (one key for each); a brace is {{ or }}. A row in which one
# of its columns is NULL refers to nothing.
# "media.files" = [{ template = "files/{id:.2}/{id}.{type}" }]
# "media.thumbs" = [{ template = "thumbs/{hash[0:2]}/{hash}_{200,400,800}.webp" }]
"""
