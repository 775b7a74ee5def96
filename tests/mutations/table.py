"""Every guard, how to take it out, and the tests that must fail without it."""

from __future__ import annotations

from tests.mutations.clusters import CLUSTERS
from tests.mutations.lossy import LOSSY
from tests.mutations.mutation import Mutation
from tests.mutations.transactions import TRANSACTIONS

_CONTROLS = "tests/core/judgement/test_guard_controls.py::test_"
_LAYER_CONTROLS = "tests/core/judgement/test_layer_controls.py::test_"
_PURE = "tests/core/judgement/test_guards.py::test_"
_BINDING = "tests/core/judgement/test_plan_binding.py::test_"
_DELETING = "tests/core/bucket/test_deleting.py::test_"
_LIGHT = "tests/core/bucket/test_light.py::test_"
_RACES = "tests/stories/test_predecessor_races.py::test_"
_CANARIES = "tests/core/judgement/test_canaries.py::test_"
_SEARCH = "tests/stories/test_search.py::test_"
_TABLES = "tests/core/databases/test_tables.py::test_"
_ODD_TYPES = (
    "tests/stories/test_search_types.py::test_columns_of_other_types_are_accounted_for_and_searched"
)
_LAST_CHECK = "tests/stories/test_last_check.py::test_"
_BALANCE = "tests/core/collection/test_balance.py::test_"
_DRIFT = "tests/core/collection/test_drift.py::test_"
_ANSWERS = "tests/core/collection/test_wrong_answers.py::test_"
_DAY = "tests/core/judgement/test_day_budget.py::test_"
_UNATTENDED = "tests/stories/test_unattended.py::test_"
_HORIZON = "tests/core/judgement/test_vault_horizon.py::test_"
_AS_OF = "tests/core/collection/test_as_of.py::test_"
_MARKS = "tests/core/collection/test_identity_marks.py::test_"
_PURGE = "tests/core/collection/test_purge.py::test_"
_OTHER_BUCKET = "tests/core/collection/test_other_bucket.py::test_"
_ELSEWHERE = "test_restore_elsewhere.py::test_what_was_backed_up_comes_back_from_the_vault_alone"
_LATE = "tests/core/collection/test_late.py::test_"
_UNSAFE = "tests/core/collection/test_unsafe_store.py::test_"
_VERSIONED = "tests/core/collection/test_versioned.py::test_"
_LOST_ANSWERS = "tests/core/collection/test_lost_answers.py::test_"
_LOCKED = "tests/core/collection/test_locked.py::test_"
_TIDY = "tests/core/collection/test_tidy.py::test_"
_COPIES = "tests/core/collection/test_deduplication.py::test_"
_ONCE = "tests/stories/test_deduplication.py::test_"
_SIGNING = "tests/core/vault/test_signing.py::test_"
_SEALED = "tests/core/collection/test_sealed.py::test_"
_PACKS = "tests/core/vault/test_packs.py::test_"
_FILE_FAULTS = "tests/core/vault/test_files_faults.py::test_"
_TROUBLE = "tests/faults/test_vault_trouble.py::test_"
_BESIDE = "tests/stories/test_healing_beside.py::test_"
_THROTTLED = "tests/core/collection/test_throttled.py::test_"
_OVERLAP = "tests/core/collection/test_overlap.py::test_"
_LAST_LOOK = "tests/core/collection/test_last_look.py::test_"
_WRITING_BACK = "tests/core/collection/test_writing_back.py::test_"
_THROTTLED = "tests/core/collection/test_throttled.py::test_"
_REFUSALS = "tests/core/collection/test_refusals.py::test_"
_WAITING = "tests/core/replica/test_waiting.py::test_"
_SHIPPING = "tests/core/replica/test_shipping.py::test_"
_REPAIRING = "tests/core/replica/test_repairing.py::test_"
_REBUILDING = "tests/core/replica/test_rebuilding.py::test_"
_UNDONE = "tests/core/references/test_undone_escapes.py::test_"
_FOREIGN = "tests/core/references/test_foreign_urls.py::test_"
_SPELLINGS = "tests/core/references/test_spellings.py::test_"
_URLS = "tests/core/references/test_codec_urls.py::test_"
_SERVING = "tests/service/long_serving.py::test_"
_SHARING = "tests/api/test_sharing.py::test_"

GUARDS_FILE = "s3gc_core/judgement/guards.py"
_LAYERS_FILE = "s3gc_core/judgement/layers.py"
_PLANS_FILE = "s3gc_core/judgement/plans.py"
_DELETING_FILE = "s3gc_core/bucket/deleting.py"
_LIGHT_FILE = "s3gc_core/bucket/light.py"
_BACKUP_FILE = "s3gc_core/collection/backup.py"
_OVERLAP_FILE = "s3gc_core/collection/overlap.py"
_EXECUTE_FILE = "s3gc_core/collection/execute.py"
_PACKS_FILE = "s3gc_core/vault/packs.py"
_EXECUTING_FILE = "s3gc_core/actions/executing.py"
_SHIPPING_FILE = "s3gc_core/replica/shipping.py"


def _guard(function: str, *tests: str, instead: str = "return") -> Mutation:
    return Mutation(
        f"guard {function.replace('_', '-')}", GUARDS_FILE, instead, tests, function=function
    )


def _layer(function: str, *tests: str) -> Mutation:
    passes = 'return LayerVerdict(Verdict.PASS, "taken out")'
    return Mutation(
        function.replace("_", " "),
        _LAYERS_FILE,
        passes,
        tuple(_LAYER_CONTROLS + test for test in tests),
        function=function,
    )


def _plan(name: str, before: str, after: str, *tests: str) -> Mutation:
    return Mutation(name, _PLANS_FILE, after, tests, before=before)


GUARDS = (
    _guard("no_references", _CONTROLS + "no_references"),
    _guard("source_empty", _CONTROLS + "source_empty"),
    _guard(
        "source_shrunk",
        _CONTROLS + "source_shrunk",
        _CONTROLS + "a_blocked_scan_is_no_memory_for_the_next",
    ),
    _guard(
        "reverse_match",
        _PURE + "reverse_match",
        "tests/stories/test_reverse_match.py::test_a_codec_that_reads_the_wrong_thing_blocks",
    ),
    _guard(
        "coverage",
        _PURE + "coverage_names_each_open_column",
        "tests/stories/test_coverage.py::test_a_migration_adds_a_column_and_nothing_is_planned",
    ),
    _guard("listing_incomplete", _CONTROLS + "listing_incomplete"),
    _guard("stream_lost", _PURE + "a_lost_stream_is_told_and_cannot_be_accepted"),
    _guard("registry_stale", _CONTROLS + "registry_stale"),
    _guard("budget", _CONTROLS + "budget"),
    _guard(
        "budget_prefix",
        _CONTROLS + "budget_of_a_prefix",
        _PURE + "each_prefix_has_its_own_budget",
    ),
    _guard("canary", _CANARIES + "what_is_broken_on_the_way_voids_the_scan"),
    _guard("clock_skew", _CONTROLS + "clock_skew_blocks_scan_and_execution", instead="return []"),
    _guard("unsearched", _CONTROLS + "unsearched", _SEARCH + "a_column_that_cannot_be_read_blocks"),
    _guard(
        "database_search_size",
        _CONTROLS + "database_search_size",
        _SEARCH + "a_database_too_large_blocks",
    ),
    _guard("not_primary", _LAST_CHECK + "only_the_primary_is_asked"),
    _guard(
        "streams_behind",
        _LAST_CHECK + "a_stream_that_does_not_come_up_to_now_stops_before_its_batch",
    ),
    _guard(
        "identity",
        _CONTROLS + "another_bucket",
        _CONTROLS + "another_database",
        instead="return []",
    ),
)

SEARCH = (
    Mutation(
        "canaries of the search",
        "s3gc_core/judgement/search_canaries.py",
        "return",
        (
            _CANARIES + "what_is_broken_on_the_way_voids_the_scan",
            "tests/core/judgement/test_search_canaries.py::test_each_pass_counts",
        ),
        function="end_pass",
    ),
    Mutation(
        "types of MySQL that are not called text",
        "s3gc_core/databases/mysql_tables.py",
        'if str(kind).lower() in TEXT | BINARY | {"uuid"}:',
        (
            _TABLES + "text_like_types_of_mariadb",
            _TABLES + "of_a_type_that_nobody_knows_mysql_is_asked_and_errors_are_told",
            _ODD_TYPES,
        ),
        before="if str(kind).lower() not in WITHOUT_KEYS:",
    ),
    Mutation(
        "types of PostgreSQL that are not called text",
        "s3gc_core/databases/postgres_tables.py",
        "WHERE t.typtype = 'b' AND t.typcategory = 'S'",
        (
            _TABLES + "text_like_types_of_postgres",
            "tests/core/references/test_search_types.py::test_values_of_every_type_of_postgres",
            _ODD_TYPES,
        ),
        before="WHERE t.typtype <> ALL ('{{c,d,m,p,r}}')",
    ),
)

LAYERS = (
    _layer(
        "registry_layer",
        "registry_layer_keeps_what_was_released_lately",
        "registry_layer_holds_near_misses",
    ),
    _layer("database_layer", "database_layer_keeps_what_the_registry_misread"),
    _layer("retention_layer", "retention_layer_keeps_what_is_young"),
    _layer("exclusion_layer", "exclusion_layer_keeps_what_is_protected"),
    Mutation(
        "doubts",
        _LAYERS_FILE,
        "return ()",
        (_LAYER_CONTROLS + "doubts_hold_what_cannot_be_read",),
        function="doubts_about",
    ),
)

PLANS = (
    Mutation(
        "search of the last check",
        "s3gc_core/collection/last_check.py",
        "",
        (_LAST_CHECK + "a_key_is_seen_wherever_it_stands_in_a_text",),
        before="mentions += await asyncio.to_thread(search.page_mentions, columns, page)",
    ),
    Mutation(
        "columns that may hold texts are read as a whole",
        "s3gc_core/references/probing.py",
        "return len(source.columns) == 1",
        (
            _LAST_CHECK + "a_key_is_seen_wherever_it_stands_in_a_text",
            "tests/core/references/test_probing.py::test_only_whole_values_are_asked_for",
        ),
        function="is_probed",
    ),
    Mutation(
        "copies without escapes",
        "s3gc_core/references/undone_escapes.py",
        "return",
        (_UNDONE + "what_is_escaped_in_any_way_is_found", _UNDONE + "a_server_s_rows_are_found"),
        function="copies",
    ),
    Mutation(
        "steps up in what refers to a key",
        "s3gc_core/references/path_steps.py",
        "return path",
        (
            _SPELLINGS + "each_rule",
            _SPELLINGS + "what_a_reference_meets",
            _URLS + "urls",
            "tests/stories/test_near_misses.py::test_one_row",
        ),
        function="without_dots",
    ),
    Mutation(
        "steps up in texts",
        "s3gc_core/references/path_steps.py",
        "return text",
        (_UNDONE + "what_is_escaped_in_any_way_is_found",),
        function="without_dots_in",
    ),
    Mutation(
        "steps up to another bucket",
        "s3gc_core/references/codecs/url.py",
        "for form in (path,):",
        (_URLS + "urls",),
        before='for form in dict.fromkeys((path, without_dots(_DOT.sub(".", path)))):',
    ),
    Mutation(
        "steps up where near misses meet",
        "s3gc_core/references/spellings.py",
        "",
        (_SPELLINGS + "folding", _SPELLINGS + "what_a_reference_meets"),
        before='if "./" in folded:\n        folded = without_dots(folded)',
    ),
    Mutation(
        "UTF-8 read as Latin-1, and text in Latin-1",
        "s3gc_core/references/legacy_text.py",
        "return text",
        (
            _SPELLINGS + "each_rule",
            _SPELLINGS + "folding",
            "tests/core/references/test_legacy_text.py::test_what_was_misread_is_read_again",
        ),
        function="read_again",
    ),
    Mutation(
        "UTF-8 read as Latin-1, among spellings",
        "s3gc_core/references/spellings.py",
        "    html.unescape,\n    _unescape_json,",
        (_SPELLINGS + "each_rule",),
        before="    read_again,\n    html.unescape,\n    _unescape_json,",
    ),
    Mutation(
        "UTF-8 read as Latin-1, among near misses",
        "s3gc_core/references/spellings.py",
        "folded.casefold()",
        (_SPELLINGS + "folding",),
        before="read_again(folded).casefold()",
    ),
    Mutation(
        "UTF-8 read as Latin-1, in free text",
        "s3gc_core/references/codecs/free_text.py",
        "",
        ("tests/core/references/test_free_text_names.py::test_the_name_is_found",),
        before="layers |= {read_again(layer) for layer in layers}",
    ),
    Mutation(
        "UTF-8 read as Latin-1, in the search",
        "s3gc_core/references/legacy_text.py",
        "return",
        (
            _UNDONE + "what_is_escaped_in_any_way_is_found",
            _UNDONE + "a_server_s_rows_are_found",
            _UNDONE + "a_connection_in_latin_1_that_wrote_utf_8",
        ),
        function="misread",
    ),
    Mutation(
        "text in Latin-1, in the search",
        "s3gc_core/references/legacy_text.py",
        "return None",
        (
            _UNDONE + "what_is_escaped_in_any_way_is_found",
            _UNDONE + "a_connection_in_latin_1_that_wrote_utf_8",
        ),
        function="legacy_bytes",
    ),
    Mutation(
        "lines with escapes become rows",
        "s3gc_core/references/pattern_search.py",
        "",
        (_UNDONE + "a_server_s_rows_are_found",),
        before="starts |= _line_starts(data, data, places)",
    ),
    Mutation(
        "what is certainly of another bucket",
        "s3gc_core/references/foreign_urls.py",
        "",
        (_FOREIGN + "a_key_behind_a_url_of_another_bucket_counts",),
        before="if before is None or not _is_bucket_before(before, names):\n        return False",
    ),
    Mutation(
        "what follows a key of another bucket",
        "s3gc_core/references/foreign_urls.py",
        "if begin is None:",
        (_FOREIGN + "a_key_that_is_not_all_of_the_path_counts",),
        before="if begin is None or not _PATH_END.match(text, end):",
    ),
    Mutation(
        "access points instead of a bucket",
        "s3gc_core/references/codecs/url.py",
        "names.any_bucket",
        (_URLS + "urls", _FOREIGN + "whatever_may_be_ours_counts"),
        before="names.any_bucket or is_alias(bucket)",
    ),
    Mutation(
        "access points in the place of a bucket in a path",
        "s3gc_core/references/codecs/hosts.py",
        "names.any_bucket",
        (_URLS + "urls", _FOREIGN + "whatever_may_be_ours_counts"),
        before="names.any_bucket or is_alias(named)",
    ),
    Mutation(
        "an application beside its endpoint",
        "s3gc_core/references/codecs/hosts.py",
        "return Serves.BUCKETS, False",
        (
            _URLS + "the_application_beside_its_endpoint",
            _URLS + "the_configured_endpoint",
            _FOREIGN
            + "below_the_endpoint_s_path_a_bucket_may_stand_before_the_key_and_nothing_else",
        ),
        before="return (Serves.BELOW if names.endpoint_path else Serves.BUCKETS), False",
    ),
    Mutation(
        "a pattern that names another bucket's host",
        "s3gc_core/references/codecs/url.py",
        "elif False:",
        (_FOREIGN + "the_name_that_a_bucket_had_may_be_told",),
        before="elif self._names.url_patterns:",
    ),
    Mutation(
        "a CDN below the endpoint's name",
        "s3gc_core/references/codecs/hosts.py",
        'if host.endswith(f".{endpoint}"):\n'
        '            own = host == f"{bucket}.{endpoint}"\n'
        "            return (Serves.THIS if own else Serves.ANOTHER), False",
        (
            _URLS + "a_virtual_host_serves_its_own_bucket",
            _URLS + "the_configured_endpoint",
            _FOREIGN + "whatever_may_be_ours_counts",
        ),
        before='if host == f"{bucket}.{endpoint}":\n            return Serves.THIS, False',
    ),
    Mutation(
        "plan drift",
        "s3gc_core/judgement/conditions.py",
        "return",
        (_BINDING + "a_plan_made_under_other_settings_is_refused",),
        function="check_not_drifted",
    ),
    Mutation(
        "clearances that a plan was judged under",
        "s3gc_core/judgement/conditions.py",
        "",
        (
            _BINDING + "a_clearance_that_was_taken_back_is_drift",
            "tests/core/judgement/test_conditions.py::test_drift_is_named",
        ),
        before='"clearances": _lacks(now.clearances, then.clearances),',
    ),
    Mutation(
        "second person",
        _PLANS_FILE,
        "return",
        (_BINDING + "who_approved_may_not_execute_where_two_are_needed",),
        function="check_second_person",
    ),
    _plan(
        "plan hash",
        "if not recomputed_sha256 == plan.sha256 == history.recorded_sha256:",
        "if False:",
        _BINDING + "an_edited_plan_is_refused",
    ),
    _plan(
        "plan hash as it was recorded",
        "if not recomputed_sha256 == plan.sha256 == history.recorded_sha256:",
        "if recomputed_sha256 != plan.sha256:",
        # Through the door it is an approval that is missing: that is bound to the hash as well.
        "tests/core/judgement/test_plans.py::test_the_three_hashes_are_one",
    ),
    Mutation(
        "plan expiry",
        _PLANS_FILE,
        "return",
        (_BINDING + "an_expired_plan_is_refused",),
        function="check_not_expired",
    ),
    _plan(
        "confirmation",
        "if confirmation != plan.confirmation:",
        "if False:",
        _BINDING + "what_else_is_refused",
    ),
    _plan(
        "approval",
        "if history.approved is not True:",
        "if False:",
        _BINDING + "what_else_is_refused",
    ),
    _plan(
        "dry run",
        "if mode is Mode.DRY_RUN:",
        "if False:",
        _BINDING + "what_else_is_refused",
    ),
    _plan(
        "a plan is executed once",
        "if history.state in (PlanState.REJECTED, PlanState.EXECUTED):",
        "if False:",
        _BINDING + "a_rejected_plan_is_refused",
        _BINDING + "the_same_plan_untouched_is_executed_once",
    ),
)

DELETES = (
    Mutation(
        "If-Match in a batch",
        _DELETING_FILE,
        '[{"Key": key} for key in asked]',
        (_DELETING + "each_key_by_its_etag_on_seaweed",),
        before='[{"Key": key, "ETag": etag} for key, etag in asked.items()]',
    ),
    Mutation(
        "If-Match of a single delete",
        _DELETING_FILE,
        "Key=key)",
        (_DELETING + "each_key_by_its_etag_on_seaweed",),
        before="Key=key, IfMatch=etag)",
    ),
    Mutation(
        "no delete without an ETag",
        _DELETING_FILE,
        "if False:",
        (_DELETING + "a_delete_is_never_unconditional",),
        before="if not all(etag.strip('\"* ') for etag in asked.values()):",
    ),
    Mutation(
        "If-Match of the read that backs up",
        "s3gc_core/bucket/reading.py",
        '"GetObject", Key=key)',
        ("tests/core/bucket/test_capabilities.py::test_what_seaweed_can",),
        before='"GetObject", Key=key, IfMatch=if_match)',
    ),
    Mutation(
        "only what was once equal to the client's is sent in its place",
        _LIGHT_FILE,
        "if True:",
        (_LIGHT + "what_is_not_as_the_client_sends_it_is_never_sent",),
        before="if _compared(ours) == _compared(request):",
    ),
    Mutation(
        "a key that may be spelt otherwise is the client's",
        _LIGHT_FILE,
        "return True",
        (_LIGHT + "a_key_that_may_be_spelt_otherwise_is_the_clients",),
        function="is_plain",
    ),
    Mutation(
        "an error that comes with 200 is no success, either way",
        _LIGHT_FILE,
        "return told.parse(response)",
        (_LIGHT + "an_error_that_comes_with_200_is_no_success",),
        before='return None if b"Error" in said["body"] else told.parse(response)',
    ),
    Mutation(
        "checksums that the store tells, either way",
        _LIGHT_FILE,
        "",
        (_LIGHT + "checksums_that_the_store_tells_are_compared",),
        before="await handle_checksum_body(response, said, context, self._models[operation])",
    ),
    Mutation(
        "after a few failures the client sends all",
        _LIGHT_FILE,
        "if seen is None or self._endpoint is None:",
        (_LIGHT + "what_fails_is_done_by_the_client_and_after_a_few_all_is",),
        before="if seen is None or self._endpoint is None or self._failures >= FAILURES_AT_MOST:",
    ),
    Mutation(
        "the pace, either way",
        _LIGHT_FILE,
        "",
        (_LIGHT + "they_keep_the_pace_and_the_limit_of_all_others",),
        before="await self._pace.before_signing(operation)",
    ),
    Mutation(
        "what has to be sent once is not sent twice",
        "s3gc_core/bucket/connection.py",
        "light = LightRequests(client, pace)",
        (_LIGHT + "who_may_send_once_only_sends_by_the_client",),
        before="light = LightRequests(client, pace) if attempts is None else None",
    ),
    Mutation(
        "what changed leaves the plan before the first backup",
        _EXECUTE_FILE,
        "return frozenset()",
        (_DRIFT + "what_changed_leaves_the_plan_before_the_first_backup",),
        function="_drop_drifted",
    ),
    Mutation(
        "last judgement",
        _EXECUTE_FILE,
        "return list(batch), []",
        (
            _RACES + "row_inserted_between_verify_and_delete",
            _RACES + "a_row_with_a_near_spelling_inserted_at_the_last_moment",
        ),
        function="_judge_again",
    ),
    Mutation(
        "a rebuild removes nothing that it did not fetch",
        "s3gc_core/actions/replicating.py",
        "left: list[Path] = []",
        (_REBUILDING + "what_the_replica_never_heard_of_is_set_aside",),
        before="left = [path for path in unknown if path.suffix != PART]",
    ),
    Mutation(
        "a pack that comes in part keeps what the vault has of it",
        "s3gc_core/replica/rebuilding.py",
        "pass",
        (_REBUILDING + "a_backup_that_the_replica_lost_costs_no_other",),
        before="await to_the_end(asyncio.to_thread(file.copy_old))",
    ),
    Mutation(
        "a rebuilt file is the one of the log",
        "s3gc_core/replica/rebuilding.py",
        "False",
        (_REBUILDING + "a_large_file_is_what_the_log_says_not_what_its_pieces_are",),
        before="await to_the_end(asyncio.to_thread(file.sha256)) != whole",
    ),
    Mutation(
        "a file that is there is the one of the log",
        "s3gc_core/replica/rebuilding.py",
        "return True",
        (_REBUILDING + "a_large_file_is_what_the_log_says_not_what_its_pieces_are",),
        before="return whole in (None, of[0].sha256) or sha256_of_file(vault, path) == whole",
    ),
    Mutation(
        "a replica that lacks a head is no replica",
        "s3gc_core/replica/store.py",
        "if False:",
        (_REBUILDING + "a_replica_that_lost_something_is_no_replica",),
        before="if len(numbers) < newest:",
    ),
    Mutation(
        "what is encrypted is compared without a key",
        "s3gc_core/vault/stored_bytes.py",
        "return",
        (_SEALED + "without_the_key_here_they_go_and_with_it_they_come_back",),
        function="_check_stored_in",
    ),
    Mutation(
        "a replica that lost its end is no replica",
        "s3gc_core/replica/checking.py",
        "if False:",
        (_REBUILDING + "a_replica_that_lost_something_is_no_replica",),
        before="if replica.seq < acknowledged:",
    ),
    Mutation(
        "what is given up leaves others' packs alone",
        "s3gc_core/vault/files.py",
        "own = list(backups)",
        (_OVERLAP + "what_is_given_up_leaves_the_packs_of_others_alone",),
        before="own = [backup for backup in backups if backup.offset is None or not backup.reused]",
    ),
    Mutation(
        "throttled deletes are judged again",
        "s3gc_core/bucket/deleting.py",
        "return False",
        (_THROTTLED + "what_the_store_was_too_busy_for_is_judged_again_first",),
        function="is_over",
    ),
    Mutation(
        "one object that cannot be looked at stops no recovery",
        "s3gc_core/collection/recovery.py",
        "UNSEEN = ()",
        (_THROTTLED + "an_object_that_cannot_be_looked_at_leaves_its_step_open_and_no_other",),
        before="UNSEEN = (ObjectChanged, ObjectUnreadable)",
    ),
    Mutation(
        "one object that the store cannot serve stops no recovery",
        "s3gc_core/collection/recovery.py",
        "except () as error:",
        (_THROTTLED + "an_object_that_cannot_be_looked_at_leaves_its_step_open_and_no_other",),
        before="except OF_ONE_OR_OF_ALL as error:",
    ),
    Mutation(
        "a store that serves nothing recovers nothing",
        "s3gc_core/collection/recovery.py",
        "self._leave(record.key, error.what)",
        (_THROTTLED + "a_store_that_serves_nothing_recovers_nothing",),
        before="self._leave(record.key, await self._unserved.excuse(error))",
    ),
    Mutation(
        "what goes elsewhere needs no recovery, whatever the store says",
        "s3gc_core/actions/operations.py",
        "except OF_ONE_OR_OF_ALL[:1] as error:\n        if not elsewhere:",
        (_THROTTLED + "a_store_that_serves_nothing_recovers_nothing",),
        before="except OF_ONE_OR_OF_ALL as error:\n        if not elsewhere:",
    ),
    Mutation(
        "one object that the store cannot serve stops no late look",
        "s3gc_core/collection/late.py",
        "except () as error:",
        (_THROTTLED + "an_object_that_cannot_be_looked_at_stops_no_late_look",),
        before="except OF_ONE_OR_OF_ALL as error:",
    ),
    Mutation(
        "one object that the store cannot serve stops no healing",
        "s3gc_core/actions/healing.py",
        "except () as error:",
        (_THROTTLED + "an_object_that_cannot_be_looked_at_stops_no_healing",),
        before="except OF_ONE_OR_OF_ALL as error:",
    ),
    Mutation(
        "what cannot be looked at is not brought back, and stops no other",
        "s3gc_core/actions/healing.py",
        "sorted({one.key for one in missing}.difference(later))",
        (_THROTTLED + "an_object_that_cannot_be_looked_at_stops_no_healing",),
        before="sorted(absent.difference(later))",
    ),
    Mutation(
        "what recovery had to leave open is told by a restore",
        "s3gc_core/collection/restore.py",
        "select(self.audit, selection)",
        (_THROTTLED + "an_object_that_cannot_be_looked_at_leaves_its_step_open_and_no_other",),
        before="select(self.audit, selection, open_too=True)",
    ),
    Mutation(
        "who is dead brings nothing back just now",
        "s3gc_core/collection/claims.py",
        "return CLAIMED",
        (_THROTTLED + "an_object_that_cannot_be_looked_at_leaves_its_step_open_and_no_other",),
        function="_why",
    ),
    Mutation(
        "a log that was cut while a plan is executed",
        _EXECUTE_FILE,
        "pass",
        (_TROUBLE + "a_log_that_was_cut_while_a_plan_is_executed_stops_everything",),
        before="await to_the_end(self.audit.anchor(synced=False))",
    ),
    Mutation(
        "a follower recovers what a dead execution left",
        "s3gc_core/actions/healing.py",
        "return",
        (_BESIDE + "a_follower_recovers_what_a_dead_execution_left",),
        function="_recover",
    ),
    Mutation(
        "a backup made ahead that waited too long",
        _OVERLAP_FILE,
        "return True",
        (_OVERLAP + "a_backup_lasts_a_minute_and_never_into_the_past",),
        function="is_fresh",
    ),
    Mutation(
        "alarms about copies found while working ahead",
        _OVERLAP_FILE,
        "anew.alarms",
        (_OVERLAP + "what_was_found_at_either_time_is_told",),
        before="[*backups.alarms, *anew.alarms]",
    ),
    Mutation(
        "remarks about copies found while working ahead",
        _OVERLAP_FILE,
        "anew.remarks",
        (_OVERLAP + "what_was_found_at_either_time_is_told",),
        before="backups.remarks | anew.remarks",
    ),
    Mutation(
        "alarms about copies are recorded",
        _EXECUTE_FILE,
        "backed_up.intents",
        (_ONCE + "a_rotten_copy_stands_for_nothing",),
        before="[*backed_up.alarms, *backed_up.intents]",
    ),
    Mutation(
        "remarks about copies are told",
        _EXECUTE_FILE,
        "pass",
        (_ONCE + "a_rotten_copy_stands_for_nothing",),
        before="self._remarks = backed_up.remarks",
    ),
    Mutation(
        "leaving cancels the batch ahead",
        _OVERLAP_FILE,
        "pass",
        (_OVERLAP + "leaving_ends_what_is_under_way",),
        before="work.cancel()",
    ),
    Mutation(
        "leaving waits for the batch ahead to end",
        _OVERLAP_FILE,
        "return",
        (_OVERLAP + "leaving_ends_what_is_under_way",),
        function="__aexit__",
    ),
    Mutation(
        "a batch has its own backups",
        _OVERLAP_FILE,
        "if not self._batch:",
        (_OVERLAP + "one_batch_ahead_and_no_other",),
        before="if self._batch is not batch:",
    ),
    Mutation(
        "the next batch begins once the replica has this one",
        _EXECUTE_FILE,
        "ahead.begin(following)\n        await self.replica_has()\n",
        (_WAITING + "the_next_batch_is_begun_once_the_replica_has_this_one",),
        before="await self.replica_has()\n",
    ),
    Mutation(
        "age at the last judgement",
        _EXECUTE_FILE,
        "last_modified=item.last_modified",
        ("tests/model/test_named.py::test_the_same_bytes_uploaded_again_after_approval_are_young",),
        before="last_modified=intents[item.key].last_modified",
    ),
    Mutation(
        "what is throttled is judged again before it is tried again",
        _EXECUTE_FILE,
        "cleared, kept = (list(left), []) if in_vain else await self._judge_again(left)",
        (_THROTTLED + "what_the_store_was_too_busy_for_is_judged_again_first",),
        before="cleared, kept = await self._judge_again(left)",
    ),
    Mutation(
        "a judgement is acted on at once, or made again",
        _EXECUTE_FILE,
        "if not asked:",
        (_LAST_LOOK + "a_judgement_that_is_too_old_deletes_nothing",),
        before="if not asked or self._judged.is_over():",
    ),
    Mutation(
        "the look right before the delete",
        _EXECUTE_FILE,
        "return {}",
        (_LAST_LOOK + "what_was_uploaded_again_since_its_backup_is_kept",),
        function="_look_again",
    ),
    Mutation(
        "who cannot be looked at is judged again first",
        "s3gc_core/bucket/last_look.py",
        "return None",
        (_LAST_LOOK + "who_cannot_be_looked_at_is_judged_again_first",),
        before="return DeleteResult(DeleteOutcome.FAILED, error.what, "
        "undone=is_worth_another_try(error))",
    ),
    Mutation(
        "a listing settles only what it shows unchanged",
        "s3gc_core/bucket/last_look.py",
        "return read is not None",
        (
            _LAST_LOOK + "a_listing_settles_only_what_it_shows_unchanged",
            _LAST_LOOK + "what_was_uploaded_again_since_its_backup_is_kept",
        ),
        function="is_listed_as",
    ),
    Mutation(
        "a store that is away is no fault of an object",
        "s3gc_core/collection/unserved.py",
        "",
        (_THROTTLED + "a_store_that_serves_nothing_ends_the_execution",),
        before="        await self._bucket.check()\n",
    ),
    Mutation(
        "a store that serves nothing is no fault of its objects",
        "s3gc_core/collection/unserved.py",
        "if False:",
        (_THROTTLED + "a_store_that_serves_nothing_ends_the_execution",),
        before="if self._in_a_row >= IN_A_ROW:",
    ),
    Mutation(
        "the look right before a write",
        "s3gc_core/bucket/writing.py",
        "return",
        (_WRITING_BACK + "a_store_that_ignores_conditions_of_writes_loses_nothing_newer",),
        function="_refuse_another",
    ),
    Mutation(
        "only what was seen is overwritten",
        "s3gc_core/collection/write_back.py",
        "",
        (_WRITING_BACK + "a_store_that_ignores_conditions_of_writes_loses_nothing_newer",),
        before=" and only in (None, state.etag)",
    ),
    Mutation(
        "a store that says deleted, and lies",
        _EXECUTE_FILE,
        "return",
        ("tests/stories/test_incidents.py::test_delta_rs_4646_deleted_and_still_there",),
        function="_look_for_untruth",
    ),
    Mutation(
        "a read is of the approved object, by its headers",
        _BACKUP_FILE,
        "return None",
        (
            _ANSWERS + "what_is_not_the_object_is_not_its_backup",
            _ANSWERS + "the_headers_say_which_object_it_is",
        ),
        function="other_object",
    ),
    Mutation(
        "a read is of the approved object, by its bytes",
        _BACKUP_FILE,
        "return None",
        (_ANSWERS + "what_is_not_the_object_is_not_its_backup",),
        function="other_bytes",
    ),
    Mutation(
        "a folder that an error left untidy is tidied",
        "s3gc_core/collection/recovery.py",
        "return False",
        (_TIDY + "a_folder_that_a_full_disk_left_untidy_is_tidied_by_the_next_operation",),
        function="_was_left_untidy",
    ),
    Mutation(
        "balance",
        _EXECUTING_FILE,
        "return",
        (_BALANCE + "a_result_that_is_lost_or_told_twice_fails_loudly",),
        function="_check_balance",
    ),
    Mutation(
        "budget-per-day",
        _EXECUTING_FILE,
        "return",
        (_DAY + "a_second_execution_on_one_day_counts_with_the_first",),
        function="_check_day_budget",
    ),
    Mutation(
        "budget-per-day of a prefix",
        "s3gc_core/judgement/day_budget.py",
        "return []",
        (_DAY + "a_prefix_has_a_budget_of_its_own_for_the_day",),
        function="prefix_day_budgets",
    ),
    Mutation(
        "a grant holds when its plan is executed",
        _EXECUTING_FILE,
        "return",
        (_UNATTENDED + "a_grant_has_to_hold_when_its_plan_is_executed",),
        function="_check_granted",
    ),
    Mutation(
        "the replica has it before the delete",
        _EXECUTE_FILE,
        "",
        (_WAITING + "nothing_of_a_batch_goes_that_the_replica_does_not_have",),
        before="        await self.replica_has()\n",
    ),
    Mutation(
        "the log extends what the replica saw",
        _SHIPPING_FILE,
        "return",
        (_SHIPPING + "a_log_that_lacks_what_the_replica_saw_is_told",),
        function="check_extends",
    ),
    Mutation(
        "only what was recorded is shipped",
        _SHIPPING_FILE,
        "if False:",
        (_SHIPPING + "a_damaged_backup_holds_up_a_delete_and_nothing_else",),
        before="if found != backup.stored_sha256:",
    ),
    Mutation(
        "what comes from the replica is what was shipped",
        "s3gc_core/replica/store.py",
        "if False:",
        (_REBUILDING + "what_is_there_and_right_is_not_fetched_again",),
        before="if await asyncio.to_thread(sha256_of, data) != of.sha256:",
    ),
    Mutation(
        "vault-space",
        _EXECUTE_FILE,
        "return",
        (_REFUSALS + "a_vault_without_room_deletes_nothing",),
        function="_check_space",
    ),
    Mutation(
        "identity: the bucket's marks",
        GUARDS_FILE,
        "now = was",
        (_MARKS + "another_mark_blocks",),
        before="now = present.marks.get(mark, was)",
    ),
    Mutation(
        "vault-horizon",
        "s3gc_core/judgement/vault_horizon.py",
        "return []",
        (
            _HORIZON + "the_horizon_reaches_as_far_as_the_databases",
            _HORIZON + "a_horizon_too_short_blocks_the_execution",
        ),
        function="vault_horizon",
    ),
    Mutation(
        "vault-horizon is asked",
        _EXECUTING_FILE,
        "pass",
        (_HORIZON + "a_horizon_too_short_blocks_the_execution",),
        before="refuse(vault_horizon(horizon, restored))",
    ),
    Mutation(
        "store-unsafe",
        _EXECUTING_FILE,
        "if False:",
        (_REFUSALS + "a_store_that_ignores_etags_deletes_nothing",),
        before="if not capabilities.safe and not chosen:",
    ),
    Mutation(
        "an unsafe store is refused unless somebody chose otherwise",
        _EXECUTING_FILE,
        "chosen = True",
        (_UNSAFE + "what_was_not_chosen_is_refused",),
        before="chosen = parts.config.unsafe_store is UnsafeStore.HEAD_COMPARE"
        " and capabilities.conditional_read",
    ),
    Mutation(
        "head-compare-delete compares",
        "s3gc_core/bucket/comparing.py",
        'return ""',
        (
            _UNSAFE + "what_came_after_the_backup_is_kept",
            _UNSAFE + "each_of_the_three_has_to_be_as_it_was",
        ),
        function="_differences",
    ),
    Mutation(
        "where single deletes ignore conditions, what fits no batch is compared",
        "s3gc_core/bucket/comparing.py",
        "one=None,",
        (_UNSAFE + "what_came_after_the_backup_is_kept",),
        before="one=compared if modes.single is DeleteMode.HEAD_COMPARE else None,",
    ),
    Mutation(
        "a delete that was compared is sent once",
        "s3gc_core/bucket/client.py",
        "opened = connect(self._config, keys=self._keys, pace=Pace.unlimited())",
        (_UNSAFE + "a_delete_without_an_answer_is_not_sent_again",),
        before="opened = connect(self._config, attempts=1, keys=self._keys, pace=Pace.unlimited())",
    ),
    Mutation(
        "nor is it sent again by the HTTP client",
        "s3gc_core/bucket/connection.py",
        "http_session_cls=AIOHTTPSession,",
        (_UNSAFE + "a_delete_whose_connection_broke_is_not_sent_again",),
        before="http_session_cls=SentOnce if attempts == 1 else AIOHTTPSession,",
    ),
)

LOCKS = (
    Mutation(
        "what Object Lock protects is kept",
        "s3gc_core/collection/backup.py",
        "return None",
        (
            _LOCKED + "what_is_locked_is_kept_and_what_is_not_goes",
            _LOCKED + "a_lock_that_may_not_be_asked_is_no_answer",
        ),
        function="locked",
    ),
    Mutation(
        "a legal hold has no end",
        "s3gc_core/bucket/locking.py",
        "if False:",
        (_LOCKED + "what_is_locked_is_kept_and_what_is_not_goes",),
        before="if lock.legal_hold:",
    ),
    Mutation(
        "a store that does not say until when retains for ever",
        "s3gc_core/bucket/locking.py",
        "if lock.until is None:\n        return None",
        (_LOCKED + "which_lock_is_in_force",),
        before="if lock.mode is None and lock.until is None:\n        return None",
    ),
)

VAULT = (
    Mutation(
        "read-back",
        "s3gc_core/collection/backup.py",
        "return []",
        (_TIDY + "what_the_disk_kept_wrongly_is_not_deleted",),
        function="_compare_all",
    ),
    Mutation(
        "pack sync",
        _PACKS_FILE,
        "pass",
        (
            _PACKS + "a_batch_costs_one_sync_before_it_is_read_back",
            _PACKS + "a_pack_the_disk_refused_is_not_tried_again",
        ),
        before="os.fdatasync(descriptor)",
    ),
    Mutation(
        "sync of backups in files of their own",
        "s3gc_core/vault/files.py",
        "return",
        (_FILE_FAULTS + "everything_is_synced_in_the_order_that_durability_needs",),
        function="_sync",
    ),
    Mutation(
        "sync of the audit log",
        "s3gc_core/local_store.py",
        "{'OFF' if durable",
        ("tests/core/test_local_store.py::test_a_commit_survives_a_power_cut",),
        before="{'FULL' if durable",
    ),
    Mutation(
        "torn tail of a pack",
        _PACKS_FILE,
        "pass",
        (
            _TIDY + "what_no_record_names_goes",
            _PACKS + "the_end_is_cut_to_what_is_recorded_and_sealed",
        ),
        before="os.ftruncate(descriptor, end)",
    ),
    Mutation(
        "a pack that failed is left alone",
        _PACKS_FILE,
        "return",
        (_PACKS + "after_damage_the_pack_gets_nothing_more",),
        function="abandon",
    ),
    Mutation(
        "JPEG XL is decoded and compared before it is used",
        "s3gc_core/vault/jpegxl.py",
        "if len(encoded) > most:",
        ("tests/core/vault/test_jpegxl.py::test_what_does_not_come_back_exactly_is_not_used",),
        before="if len(encoded) > most or _decoded(imagecodecs, encoded) != jpeg:",
    ),
    Mutation(
        "a decoder of pictures sees only what we stored",
        "s3gc_core/vault/stored_bytes.py",
        "if False:",
        ("tests/core/vault/test_jpegxl.py::test_a_damaged_one_never_reaches_the_decoder",),
        before="if backup.codec == jpegxl.CODEC:",
    ),
    Mutation(
        "of old probes only what is ours beyond doubt goes",
        "s3gc_core/bucket/capabilities.py",
        "return bool(_ULID.fullmatch(key[len(prefix) :]))",
        (_VERSIONED + "what_a_probe_left_that_died_goes_with_all_its_versions",),
        before="return bool(_ULID.fullmatch(key[len(prefix) :])) and set(sizes) <= {len(_BODY)}",
    ),
    Mutation(
        "versions of others' drills stay",
        "s3gc_core/collection/drill.py",
        "return True",
        (_VERSIONED + "a_drill_leaves_no_version_behind",),
        function="_is_ours",
    ),
    Mutation(
        "every key of a listing comes once",
        "s3gc_core/judgement/scan_tables.py",
        "return False",
        ("tests/stories/test_incidents.py::test_pages_that_overlap",),
        function="listed_twice",
    ),
    Mutation(
        "nothing older follows the end of a listing",
        "s3gc_core/bucket/listing.py",
        "return",
        ("tests/core/bucket/test_listing.py::test_a_listing_with_a_hole_is_no_listing",),
        function="_look_behind",
    ),
    Mutation(
        "what failed and cannot be looked at ends for itself only",
        _EXECUTE_FILE,
        'except () as error:\n            reason = f"{reason}; and',
        (_LOST_ANSWERS + "what_failed_and_cannot_be_looked_at_ends_for_itself_only",),
        before='except UNSEEN as error:\n            reason = f"{reason}; and',
    ),
    Mutation(
        "what would be overwritten is said",
        "s3gc_core/collection/write_back.py",
        "pass",
        (_AS_OF + "overwriting_brings_the_state_of_then_over_what_came_later",),
        before="said.append(REPLACES)",
    ),
    Mutation(
        "what goes elsewhere needs no recovery",
        "s3gc_core/actions/operations.py",
        'if True:\n            raise\n        log.warning("recovery_pending"',
        ("tests/core/collection/" + _ELSEWHERE,),
        before='if not elsewhere:\n            raise\n        log.warning("recovery_pending"',
    ),
    Mutation(
        "what is still to be recovered goes elsewhere, too",
        "s3gc_core/collection/restore.py",
        "open_too=False,",
        ("tests/core/collection/" + _ELSEWHERE,),
        before="open_too=open_too,",
    ),
    Mutation(
        "what lives in another bucket makes no backup needless",
        "s3gc_core/actions/restoring.py",
        "pass",
        (
            _OTHER_BUCKET + "what_lives_in_another_bucket_makes_no_backup_needless",
            _MARKS + "another_mark_blocks",
        ),
        before="await parts.check_bucket_identity(may_be_anew=False)",
    ),
    Mutation(
        "what lives in a bucket that was made anew makes no backup needless",
        "s3gc_core/actions/restoring.py",
        "await parts.check_bucket_identity()\n        summary",
        (_MARKS + "another_mark_blocks",),
        before="await parts.check_bucket_identity(may_be_anew=False)\n        summary",
    ),
    Mutation(
        "what cannot be looked at stops no purge",
        "s3gc_core/collection/purge.py",
        "except () as error:",
        (_PURGE + "what_cannot_be_looked_at_keeps_its_backup_and_stops_no_other",),
        before="except UNSEEN as error:",
    ),
    Mutation(
        "what is removed in a moment stops no purge",
        "s3gc_core/collection/purge.py",
        "except ():",
        (_PURGE + "what_cannot_be_looked_at_keeps_its_backup_and_stops_no_other",),
        before="except ObjectGone:",
    ),
    Mutation(
        "what the store cannot serve stops no purge",
        "s3gc_core/collection/purge.py",
        "except () as error:",
        (_PURGE + "what_cannot_be_looked_at_keeps_its_backup_and_stops_no_other",),
        before="except OF_ONE_OR_OF_ALL as error:",
    ),
    Mutation(
        "a store that serves nothing purges nothing",
        "s3gc_core/collection/purge.py",
        "why = error.what",
        (_PURGE + "a_purge_that_is_ended_early_leaves_no_manifest_that_is_wrong",),
        before="why = await self._unserved.excuse(error)",
    ),
    Mutation(
        "a purge that is ended early tidies what it changed",
        "s3gc_core/collection/purge.py",
        "if whole and of != self.operation_id:",
        (_PURGE + "a_purge_that_is_ended_early_leaves_no_manifest_that_is_wrong",),
        before="if of in self.changed or (whole and of != self.operation_id):",
    ),
    Mutation(
        "a manifest goes before what it names",
        "s3gc_core/vault/manifest.py",
        "return",
        (_PURGE + "a_purge_that_died_leaves_no_manifest_that_is_wrong",),
        function="remove_manifest",
    ),
    Mutation(
        "what a dead purge left is tidied",
        "s3gc_core/collection/recovery.py",
        "elif await _was_left_untidy",
        (_PURGE + "a_purge_that_died_leaves_no_manifest_that_is_wrong",),
        before="elif purging or await _was_left_untidy",
    ),
    Mutation(
        "recovery concludes nothing from another bucket",
        "s3gc_core/collection/recovery.py",
        "if False:\n            return None\n    steps = _OpenSteps(bucket, audit)\n",
        (_OTHER_BUCKET + "what_another_bucket_says_is_in_no_record",),
        before="if not await may_conclude(bucket, audit, may_be_anew=may_be_anew):\n"
        "            return None\n    steps = _OpenSteps(bucket, audit)\n",
    ),
    Mutation(
        "recovery concludes nothing from a bucket that was made anew",
        "s3gc_core/collection/whose.py",
        "marks: dict[str, str] = {}",
        (_MARKS + "what_a_bucket_made_anew_says_is_concluded_by_a_restore_only",),
        before="marks = {} if may_be_anew else await bucket.marks()",
    ),
    Mutation(
        "recovery concludes nothing from a bucket that is not there",
        "s3gc_core/collection/recovery.py",
        "if not await may_conclude",
        (_OTHER_BUCKET + "objects_of_a_bucket_that_is_not_there_are_not_gone",),
        before="await bucket.check()\n        if not await may_conclude",
    ),
    Mutation(
        "a late look concludes nothing from another bucket",
        "s3gc_core/collection/late.py",
        "pass\n    at_once",
        (_OTHER_BUCKET + "what_is_missing_in_another_bucket_was_not_deleted_late",),
        before="return 0\n    at_once",
    ),
    Mutation(
        "what is still to be recovered is no reason to refuse a restore",
        "s3gc_core/actions/restoring.py",
        "async for backups, _ in select(parts.audit, selection):",
        (_OTHER_BUCKET + "what_another_bucket_says_is_in_no_record",),
        before="async for backups, _ in select(parts.audit, selection, open_too=True):",
    ),
    Mutation(
        "what was still there is looked at again",
        "s3gc_core/collection/late.py",
        "return 0",
        (
            _LATE + "the_next_operation_notices",
            _LATE + "a_follower_notices_and_brings_it_back",
        ),
        function="note_late_deletes",
    ),
    Mutation(
        "a bucket that is gone is not taken for objects that are",
        "s3gc_core/collection/late.py",
        "",
        (_LATE + "what_is_looked_at_and_what_is_concluded",),
        before="    await bucket.check()\n",
    ),
    Mutation(
        "what a restore brought back is not ours when it goes",
        "s3gc_core/vault/audit_reading.py",
        "if is_still_there(state)]",
        ("tests/core/vault/test_still_there.py::test_what_happened_to_it_since",),
        before="if is_still_there(state) and state.restored is not back]",
    ),
    Mutation(
        "deletes in the middle of a batch are looked at",
        "s3gc_core/collection/untruth.py",
        "return []",
        (_LOST_ANSWERS + "one_in_the_middle_said_to_be_deleted_and_still_there",),
        function="_still_listed",
    ),
    Mutation(
        "a repair costs no backup",
        "s3gc_core/replica/repairing.py",
        "if all(left):",
        (_REPAIRING + "what_mends_one_and_costs_another_is_refused",),
        before="if costs or all(left):",
    ),
    Mutation(
        "what the replica gives is what was recorded",
        "s3gc_core/replica/fetching.py",
        "return",
        (_REPAIRING + "what_mends_one_and_costs_another_is_refused",),
        function="_compare",
    ),
    Mutation(
        "the last anchor has to be signed",
        "s3gc_core/vault/signing.py",
        "return",
        (
            _SIGNING + "a_log_made_anew_with_anchors_that_fit_is_found",
            _SIGNING + "a_cut_log_with_a_forged_anchor_is_found",
            _SIGNING + "signing_begins_by_a_word_of_the_operator",
        ),
        function="check_signed",
    ),
    Mutation(
        "a signature is looked at",
        "s3gc_core/vault/signing.py",
        "pass",
        (_SIGNING + "a_log_made_anew_with_anchors_that_fit_is_found",),
        before="raise AuditBroken(what) from error",
    ),
    Mutation(
        "nothing is encrypted for who has shown no key",
        _EXECUTING_FILE,
        "pass",
        (_SEALED + "nothing_is_deleted_before_a_key_was_proven",),
        before="await require_proven(parts, run.operation_id)",
    ),
    Mutation(
        "a copy that cannot be opened here stands for nothing",
        "s3gc_core/collection/deduplication.py",
        "if True:",
        (_SEALED + "before_and_after_the_switch",),
        before="if self._files.keyring.may_open(backup):",
    ),
    Mutation(
        "damage to an encrypted backup is not taken for another's key",
        "s3gc_core/vault/stored_bytes.py",
        "raise\n    except BackupDamaged as error:",
        ("tests/core/vault/test_sealing.py::test_damage_anywhere_is_damage",),
        before='_compare(backup, "stored", source.size, source.sha256)\n        raise\n'
        "    except BackupDamaged as error:",
    ),
    Mutation(
        "a file of secret keys is for its owner alone",
        "s3gc_core/vault/keyring.py",
        "if False:",
        ("tests/core/vault/test_sealing.py::test_a_file_of_keys_is_for_its_owner_alone",),
        before="if stat.S_ISREG(found.st_mode) and found.st_mode & 0o077:",
    ),
    Mutation(
        "a purge takes no pack that others need",
        "s3gc_core/vault/files.py",
        "if True:\n            self._unlink",
        ("tests/stories/test_backup_clean_up.py::test_backup_clean_up",),
        before="if backup.offset is None:\n            self._unlink",
    ),
    Mutation(
        "an old copy is proven before it stands for a delete",
        "s3gc_core/collection/deduplication.py",
        "if True:",
        (
            _COPIES + "a_copy_is_read_once_and_only_a_good_one_is_used",
            _ONCE + "a_rotten_copy_stands_for_nothing",
        ),
        before="if damage is None:",
    ),
    Mutation(
        "a pack stays that another operation names",
        "s3gc_core/vault/audit_reading.py",
        "AND operation_id = ? AND seq > ?",
        (
            _COPIES + "a_pack_stays_for_a_record_of_another_operation",
            _ONCE + "the_first_operation_is_purged_and_the_second_stays_restorable",
        ),
        before="AND {FOLDER} = ? AND seq > ?",
    ),
)

HEALING = (
    Mutation(
        "an open step claims its key",
        "s3gc_core/vault/audit.py",
        "left: set[str] = set()",
        ("tests/stories/test_healing_beside.py::test_an_open_step_claims_its_key",),
        before="left = {r.key for r in records if isinstance(r, _CLAIMS) and r.key in claimed}",
    ),
    Mutation(
        "no operation recovers while another heals",
        "s3gc_core/actions/operations.py",
        "return True",
        ("tests/stories/test_healing_beside.py::test_nothing_that_just_begins_is_turned_away",),
        function="_healing_ended",
    ),
    Mutation(
        "who heals recovers nothing of an operation that runs",
        "s3gc_core/actions/operations.py",
        "return True",
        ("tests/stories/test_healing_beside.py::test_recovery_looks_at_no_operation_that_runs",),
        function="_may_recover",
    ),
    Mutation(
        "who heals recovers what a dead healer left, whoever runs",
        "s3gc_core/actions/operations.py",
        "return Recovered()",
        (_BESIDE + "what_a_dead_healer_left_is_brought_back_beside_an_operation",),
        function="_recover_beside",
    ),
    Mutation(
        "who heals recovers no restore that runs",
        "s3gc_core/collection/recovery.py",
        "dead = page",
        (_BESIDE + "what_a_dead_healer_left_is_brought_back_beside_an_operation",),
        before="dead = [entry for entry in page if entry.operation_id not in alive]",
    ),
    Mutation(
        "who heals beside an operation concludes nothing from another bucket",
        "s3gc_core/collection/recovery.py",
        "if False:",
        (_OTHER_BUCKET + "who_heals_beside_an_operation_concludes_nothing_from_another_bucket",),
        before="if dead and not asked:",
    ),
    Mutation(
        "only who runs is at work",
        "s3gc_core/actions/healing.py",
        "return frozenset(claims)",
        (_BESIDE + "a_follower_brings_back_what_a_dead_healer_left",),
        before="return frozenset(key for key, of in claims.items() if of == holder.operation_id)",
    ),
)

SERVICE = (
    Mutation(
        "a slot of a schedule is done once",
        "s3gc_core/actions/scheduled.py",
        "yield True",
        (_SERVING + "a_slot_is_done_once_whoever_is_told_to",),
        before="yield begun is None or begun.slot != slot",
    ),
    Mutation(
        "what a person stopped does not go on by itself",
        "s3gc_core/actions/scheduled.py",
        "return _MAIN[kind] in started.values()",
        ("tests/core/service/test_scheduled.py::test_a_slot_is_done_by_its_scan",),
        function="_is_begun",
    ),
    Mutation(
        "one scheduled run at a time",
        "s3gc_core/actions/scheduled.py",
        "file=new_id()",
        (_SERVING + "a_slot_is_done_once_whoever_is_told_to",),
        before="file=SCHEDULED_FILE",
    ),
    Mutation(
        "what ran is in the audit log, not in a service's memory",
        "s3gc_core/service/scheduled_runs.py",
        "return None",
        (_SERVING + "what_was_missed_runs_once_and_never_again",),
        function="_last",
    ),
    Mutation(
        "no two profiles share a vault",
        "s3gc_core/service/profiles.py",
        "return",
        ("tests/service/test_command.py::test_what_is_refused_at_the_start",),
        function="refuse_shared",
    ),
    Mutation(
        "no two profiles follow by one stream",
        "s3gc_core/service/profiles.py",
        'found + [("change stream"',
        ("tests/service/test_profiles.py::test_a_stream_is_one_vaults",),
        before='found += [("change stream"',
    ),
    Mutation(
        "no two collectors of an application share a vault",
        "s3gc_core/service/profiles.py",
        "return []",
        (_SHARING + "one_vault_is_refused_before_the_application_starts",),
        function="shared_places",
    ),
    Mutation(
        "no two collectors of an application follow by one stream",
        "s3gc_core/integrations/plugin.py",
        "return",
        (_SHARING + "one_stream_is_refused_when_it_starts",),
        function="_refuse_one_stream",
    ),
    Mutation(
        "one service for a vault",
        "s3gc_core/service/serving.py",
        "file=new_id()",
        ("tests/service/test_command.py::test_a_life_of_serving",),
        before="file=SERVICE_FILE",
    ),
)

TABLE = (
    *GUARDS,
    *SEARCH,
    *LAYERS,
    *PLANS,
    *DELETES,
    *LOCKS,
    *VAULT,
    *HEALING,
    *CLUSTERS,
    *LOSSY,
    *SERVICE,
    *TRANSACTIONS,
)
