"""Why a job did not end well: every reason by its slug, with a sentence and a remedy for people.

The one place of them: jobs carry the slug, the UI and docs/reference/reasons.md (tools/reasons_reference.py) show what stands here. What the
message of a job says in particular, its reason says in general. Agents of another version may send slugs that are not known here: they go
through as they are, with the agent's own words. Source: ui.md 4.7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """What happened, and what to do about it."""

    sentence: str
    remedy: str


UNEXPLAINED = "unexplained"

CATALOGUE: Mapping[str, Reason] = {
    "agent_fault": Reason(
        "The agent failed on the command because of a fault of its own.", "Look for the traceback in the agent's log, and report it."
    ),
    "agent_rights_missing": Reason(
        "The agent may not do in the cluster what the run needs.",
        "Apply the cluster's manifest again: it holds the agent's rights. The message names what was refused.",
    ),
    "agent_version_unsupported": Reason(
        "The agent does not know what was asked of it.", "Apply the cluster's manifest again to bring the agent up to date."
    ),
    "backup_not_found": Reason(
        "The backup's data is not where the recovery point says.",
        "Choose another recovery point; find out whether the data expired, was deleted, or the store's prefix was changed.",
    ),
    "backup_vanished": Reason(
        "The Backup or Restore was deleted in the cluster while it ran.",
        "Run it again; find out who deletes objects in the agent's namespace.",
    ),
    "bsl_unavailable": Reason(
        "Velero's storage location cannot be used.", "Test the object store, then run again; the message has Velero's own words."
    ),
    "cancelled_by": Reason("It was cancelled. The message says by whom and how far it had come.", "Run it again if it is still wanted."),
    "cluster_deleted": Reason("The cluster was deleted on the server.", "Register the cluster again if it still exists, then run again."),
    "command_undeliverable": Reason(
        "The command could not be made for the agent: something it refers to is gone or cannot be used.",
        "Mend what the message names, then run again.",
    ),
    "datamover_oom": Reason(
        "A pod that copies volume data ran out of memory.", "Give the data movers more memory, or run when the nodes are less busy."
    ),
    "definition_deleted": Reason("The definition was deleted while its run waited.", "Make the definition again if it is still wanted."),
    "definition_paused": Reason("The definition was paused while its run waited.", "Resume the definition, or start a run by hand."),
    "delete_failed": Reason(
        "Velero could not delete the data of a backup.",
        "It is tried again by itself. Check that the object store is reachable and that nothing uses the backup.",
    ),
    "delete_unverified": Reason(
        "Something of a deleted backup is left, or it could not be seen that nothing is.",
        "It is tried again by itself. Check that the object store is reachable and that its keys may list and delete, and Velero's log.",
    ),
    "engine_timeout": Reason(
        "Velero came to no end in time.", 'Check that Velero\'s pods in the namespace "cloudcasa-io" run, and their log; then run again.'
    ),
    "hook_failed": Reason(
        "An application hook failed or did not run in a pod.",
        "Read what the job says of it (`hooks`), mend the command or what keeps it from running, and run again.",
    ),
    "hook_missing": Reason(
        "A hook that the definition names is not there, or there are too many.", "Take out what the message names, or name another hook."
    ),
    "import_incomplete": Reason(
        "Some backups in the object store cannot be restored as they are.",
        "Read in import_result of the job which and why; what was imported as PENDING is looked at again by the next import.",
    ),
    "import_nothing_found": Reason(
        "Nothing that could be imported lies where it was looked for.",
        "Correct bucket and prefix of the object store, or the clusters named.",
    ),
    "import_password_wrong": Reason(
        "The data of volumes is encrypted with another repository password than this server has.",
        "Give the server the old one (cloudcasa-server repository-password set), then import again.",
    ),
    "job_timeout": Reason(
        "The job did not end within the time that this server gives a job.",
        "Look at Velero's objects in the cluster; raise the server's limit if the work needs longer.",
    ),
    "kubernetes_error": Reason("The cluster's API refused something.", "Read the message; it has the API's own words."),
    "kubernetes_unavailable": Reason("The cluster's API was away for too long.", "Check the cluster's control plane, then run again."),
    "missed_run": Reason("No run started when one was due.", "Mend what the message names; the next run starts by schedule, or by hand."),
    "name_taken": Reason(
        "A backup or restore of this name exists and is not of this run.", "Run it again: each run has a name of its own."
    ),
    "namespace_name_unusable": Reason(
        "Namespaces cannot be called what the restore would call them.", "Change the prefix, the suffix or the map of the namespaces."
    ),
    "namespace_not_found": Reason("None of the namespaces to work on exists.", "Correct the namespaces of the definition, or create them."),
    "no_verdict": Reason(
        "The agent answered without saying what became of the work.", "Bring agent and server to the same version, then run again."
    ),
    "nodeagent_missing": Reason(
        "No data mover runs on the node that holds a volume.", "Let Velero's DaemonSet run there: check its tolerations and node selector."
    ),
    "not_built": Reason("What the definition asks for is not built yet.", "Take out what the message names."),
    "not_expired": Reason(
        "By the cluster's clock the recovery point must still be kept, so nothing was deleted.",
        "Compare the clocks of the server and of the cluster's nodes, and set the one that is wrong.",
    ),
    "not_verified": Reason(
        "Velero finished, but what it did could not be verified.", "Check that the agent reaches the object store, and run again."
    ),
    "object_not_in_backup": Reason(
        "A single object that was asked for is not in the recovery point.", "Correct its kind, namespace and name in selection.objects."
    ),
    "partially_failed": Reason(
        "Velero finished with errors: what it could not do is named, everything else is done.",
        "Read the errors, mend their cause, run again.",
    ),
    "point_gone": Reason("The recovery point was deleted before the work began.", "Choose another recovery point."),
    "point_orphaned": Reason(
        "The recovery point is forgotten, and nobody was left who could delete its data.", "Remove by hand what the message names."
    ),
    "repo_password_differs": Reason(
        "The password of the backup repository on the cluster is not the server's.",
        "Keep the old password if its data is needed; otherwise delete the Secret velero-repo-credentials and apply the manifest again.",
    ),
    "restore_api_missing": Reason(
        "The cluster does not have a kind of object that the recovery point holds.",
        "Install what defines the kind (its CustomResourceDefinition), then restore again.",
    ),
    "restore_class_missing": Reason(
        "A storage class of the recovery point does not exist in the cluster.", "Create the class, or map it in the restore."
    ),
    "restore_data_not_restored": Reason(
        "A volume's data was not restored: its claim existed already, or the movement failed.",
        "Restore into a new namespace, or delete the claim first.",
    ),
    "restore_quota": Reason("A quota of the cluster kept objects from being restored.", "Raise the quota, then restore again."),
    "restore_waits_for_consumer": Reason(
        "A volume waits for its first pod and could not be filled.", "Restore the workload that uses it too."
    ),
    "restore_webhook": Reason(
        "An admission webhook of the cluster refused objects.", "Mend or exempt what the message names, then restore again."
    ),
    "server_fault": Reason(
        "The server failed because of a fault of its own.", "Look for the traceback in the server's log, and report it."
    ),
    "server_refused": Reason(
        "The server could not go on: something the run needs is missing or cannot be used.", "Mend what the message names."
    ),
    "server_too_old": Reason("The job has a step that this server does not know.", "Bring the server back to the newer version."),
    "skipped_not_active": Reason(
        "The cluster was not ACTIVE, so nothing was started.", "Mend what the message says of the cluster, then run again."
    ),
    "skipped_nothing_to_copy": Reason("There was no recovery point to copy.", "Make a snapshot backup first, or let the copy take one."),
    "skipped_previous_running": Reason(
        "Another run of the same definition was still going on.", "Wait for its end, or give the schedule more time between runs."
    ),
    "snapshot_class_missing": Reason(
        "The CSI driver of a volume has no snapshot class that Velero may use.",
        "Label a VolumeSnapshotClass of the driver: kubectl label volumesnapshotclass NAME velero.io/csi-volumesnapshot-class=true",
    ),
    "snapshot_failed": Reason("The snapshot of a volume failed.", "Look at the log of the CSI driver, then run again."),
    "snapshot_timeout": Reason(
        "The snapshot of a volume was not ready in time.", "Raise csi_snapshot_timeout of the backup; look at the log of the CSI driver."
    ),
    "store_bucket_missing": Reason("The bucket of the object store does not exist.", "Create the bucket, or correct the object store."),
    "store_clock_skew": Reason(
        "The object store refuses the clock of the cluster.", "Set the clocks of nodes and store by the same time server."
    ),
    "store_denied": Reason("The object store refused the access.", "Check the keys of the object store and the rights of their owner."),
    "store_full": Reason("The object store is full.", "Make room or raise the quota, then run again."),
    "store_in_use": Reason("A run uses the object store.", "It is tried again by itself when the run has ended."),
    "store_tls": Reason(
        "The certificate of the object store is not trusted in the cluster.", "Give the object store the right CA certificate (ca_pem)."
    ),
    "store_unreachable": Reason(
        "The object store cannot be reached from the cluster.",
        "Check the endpoint, name resolution and the way out of the cluster (network policies, proxies).",
    ),
    UNEXPLAINED: Reason("The job gave no reason.", "Read its message, its activity and its log."),
    "validation_failed": Reason(
        "Velero refused the request as it was written.", "Read the message; correct the definition, then run again."
    ),
    "velero_down": Reason(
        "Velero does not run in the cluster.", "Look at its pods: kubectl -n cloudcasa-io get pods. It is tried again when it is back."
    ),
    "velero_failed": Reason("Velero ended with a failure.", "Read the message and the job's log, mend the cause, run again."),
    "velero_foreign": Reason(
        "Somebody else's Velero is on the cluster.", "Remove that Velero, or set allow_foreign_velero on the cluster."
    ),
    "velero_install_failed": Reason(
        "Velero could not be brought up in the cluster.", "Check that the cluster can pull the images and that its nodes have room."
    ),
    "volume_failed": Reason("The data of a volume could not be handled.", "Read what the message says of the volume, mend it, run again."),
    "volume_skipped": Reason(
        "Volumes were left out.", "Read why in the message: often a snapshot class is missing, or the volume's kind cannot be snapshotted."
    ),
}
"""By slug, in the order of the alphabet. A slug is never renamed: programs and alerts know it."""

_OF_PROBLEMS: Mapping[str, str] = {
    "agent-error": "agent_fault",
    "bad-request": "server_refused",
    "command-invalid": "agent_version_unsupported",
    "command-unsupported": "agent_version_unsupported",
    "conflict": "server_refused",
    "engine-install-failed": "velero_install_failed",
    "engine-not-ready": "velero_down",
    "engine-update-failed": "velero_install_failed",
    "foreign-velero": "velero_foreign",
    "foreign-velero-older": "velero_foreign",
    "invalid": "server_refused",
    "kubernetes-forbidden": "agent_rights_missing",
    "no-snapshot-class": "snapshot_class_missing",
    "not-found": "server_refused",
    "repository-password-differs": "repo_password_differs",
    "storage-in-use": "store_in_use",
    "storage-unreachable": "store_unreachable",
    "unavailable": "server_refused",
    "undeliverable": "command_undeliverable",
}
"""Slugs of problems (an agent's) and errors (the server's) -> reasons, where the reason is not spelled the same."""


def of_problem(slug: str, /) -> str:
    """Return the reason that a problem or error stands for."""
    return _OF_PROBLEMS.get(slug) or slug.replace("-", "_") or UNEXPLAINED


def described(slug: str, /, *, message: str, remedy: str = "") -> dict[str, str]:
    """Return the field `reason` of a job: `remedy` is what is to be done in particular, and one not in the catalogue says the message."""
    known = CATALOGUE.get(slug)
    return {
        "slug": slug,
        "sentence": known.sentence if known else message,
        "remedy": remedy or (known.remedy if known else CATALOGUE[UNEXPLAINED].remedy),
    }
