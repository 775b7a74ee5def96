"""Nodes of a cluster are waited for, doubted, and told of: each part of that, taken out."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

_TESTS = "tests/core/databases/test_cluster.py::test_"
_STORY = "tests/stories/test_cluster.py::test_what_is_open_on_other_nodes_is_told_as_not_seen"
_CLUSTER = "s3gc_core/databases/mysql_cluster.py"
_IN_STEP = _TESTS + "a_node_is_a_primary_only_while_it_is_in_step"
_SAID = _TESTS + "doubts_by_what_a_server_says"

CLUSTERS = (
    Mutation(
        "a snapshot waits for what the cluster committed",
        "s3gc_core/databases/mysql.py",
        "await limit_statements(connection, 0)\n                for",
        (_TESTS + "a_snapshot_waits_for_others",),
        before="await limit_statements(connection, 0)\n"
        "                await wait_for_others(connection)\n                for",
    ),
    Mutation(
        "a follower waits for what the cluster committed",
        "s3gc_core/databases/mysql_following.py",
        "pass",
        (_TESTS + "a_follower_waits_for_others_too",),
        before="await wait_for_others(connection)",
    ),
    Mutation(
        "a role doubts what its cluster says",
        "s3gc_core/databases/mysql_role.py",
        'doubt = ""',
        (_IN_STEP,),
        before="doubt = cluster.doubt(state)",
    ),
    Mutation(
        "a node is Synced",
        _CLUSTER,
        "if False:",
        (_IN_STEP, _SAID),
        before='if values.get("wsrep_local_state") != _SYNCED:',
    ),
    Mutation(
        "a node replicates",
        _CLUSTER,
        "if False:",
        (_SAID,),
        before='if values.get("wsrep_on", "OFF").upper() in _OFF:',
    ),
    Mutation(
        "a node's part of the cluster is the primary one",
        _CLUSTER,
        "if False:",
        (_SAID,),
        before='if status != "Primary":',
    ),
    Mutation(
        "a session at a node waits",
        _CLUSTER,
        "if False and (",
        (_SAID,),
        before='if not int(values.get("wsrep_sync_wait", "0")) & 1 or (',
    ),
    Mutation(
        "a member of a group is ONLINE",
        _CLUSTER,
        "if False:",
        (_SAID,),
        before='if state != "ONLINE":',
    ),
    Mutation(
        "a session at a member of a group waits",
        _CLUSTER,
        "if False:",
        (_SAID,),
        before="if waits not in _WAITS:",
    ),
    Mutation(
        "a node of Galera is not followed",
        "s3gc_core/databases/binlog_settings.py",
        "pass",
        (_TESTS + "a_node_is_not_followed",),
        before="found += _of_galera(await cluster_state(connection))",
    ),
    Mutation(
        "a scan tells of other nodes",
        "s3gc_core/actions/scanning.py",
        "if False:",
        (_STORY,),
        before="if role.caution:",
    ),
    Mutation(
        "the doctor tells of other nodes",
        "s3gc_core/actions/doctor.py",
        "if False:",
        (_STORY,),
        before="if role.caution:",
    ),
)
