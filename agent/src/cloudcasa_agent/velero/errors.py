"""What can go wrong with the engine, each with what to do about it."""

from __future__ import annotations

from cloudcasa_agent.kit.errors import AgentError


class ForeignVeleroError(AgentError):
    """Somebody else's Velero is on the cluster."""

    slug = "foreign-velero"
    remedy = "Remove that Velero, or allow both. Two of them share one set of definitions."


class RepositoryPasswordError(AgentError):
    """The repository password on the cluster is not the server's."""

    slug = "repository-password-differs"
    remedy = (
        'Data written with the password in Secret "velero-repo-credentials" can only be read with it. If none of it is needed, delete the Secret '
        "and try again; otherwise give the server that password."
    )


class EngineInstallError(AgentError):
    """Velero could not be brought up."""

    slug = "engine-install-failed"
    remedy = "Check that the cluster can pull the images and that its nodes have room, then try again."


class StorageUnreachableError(AgentError):
    """Velero cannot use the object store."""

    slug = "storage-unreachable"
    remedy = "Check endpoint, bucket, credentials and certificate of the object store, and that the cluster's pods can reach it."


class StorageInUseError(AgentError):
    """A run uses the object store."""

    slug = "storage-in-use"
    remedy = "It is tried again by itself when the run has ended."


class NamespaceNotFoundError(AgentError):
    """None of the namespaces to back up exists."""

    slug = "namespace-not-found"
    remedy = "Correct the namespaces of the backup, or create them."


class BackupExistsError(AgentError):
    """The name is taken by a backup or restore that was not made for this command."""

    slug = "name-taken"
    remedy = "Run it again: a new run gets a new name."


class BackupVanishedError(AgentError):
    """The Backup or Restore was deleted while it was watched."""

    slug = "backup-vanished"
    remedy = "Run it again; find out who deletes objects in the agent's namespace."


class BackupNotFoundError(AgentError):
    """The backup to restore from is not there."""

    slug = "backup-not-found"
    remedy = "Check that the backup still exists in its object store and that the prefix is the cluster's."


class EngineTimeoutError(AgentError):
    """Velero did not come to an end in time."""

    slug = "engine-timeout"
    remedy = 'Check that the Velero server in namespace "cloudcasa-io" runs, and its log.'


class DeleteRefusedError(AgentError):
    """Velero could not delete the backup."""

    slug = "delete-failed"
    remedy = "Try again when nothing uses the backup and its object store is reachable."


class BucketError(AgentError):
    """The object store did not give or take an object. `code` is its own word, or `unreachable`."""

    slug = "storage-unreachable"
    remedy = StorageUnreachableError.remedy

    def __init__(self, text: str, *, code: str, is_missing: bool = False) -> None:
        """Keep the sentence and the store's code."""
        super().__init__(text)
        self.code = code
        self.is_missing = is_missing


class ObjectNotInBackupError(AgentError):
    """A single object to restore is not in the backup."""

    slug = "object-not-in-backup"
    remedy = "Correct kind, namespace and name: the job's log of the backup lists what it took."


class NameUnusableError(AgentError):
    """Namespaces cannot be called what a restore would call them."""

    slug = "namespace-name-unusable"
    remedy = "Change prefix, suffix or map of the namespaces."


class ListingUnreadableError(AgentError):
    """The list of a backup's objects cannot be read."""

    slug = "storage-unreachable"
    remedy = StorageUnreachableError.remedy


class StorageClassMissingError(AgentError):
    """A storage class that volumes are to have does not exist."""

    slug = "restore-class-missing"
    remedy = "Create the storage class, or name another one in storage_class_map."


class DeleteUnverifiedError(AgentError):
    """Something of a deleted backup is left, or it could not be seen that nothing is."""

    slug = "delete-unverified"
    remedy = "It is tried again. Check that the object store is reachable and that its credentials may list and delete, and Velero's log."


class NotExpiredError(AgentError):
    """By the cluster's clock the backup must still be kept."""

    slug = "not-expired"
    remedy = "Compare the clocks of the server and of the cluster's nodes: one of them is wrong. Nothing was deleted."
