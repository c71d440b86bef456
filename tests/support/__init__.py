"""What tests of several kinds share: builders, reference evaluators, a scripted agent, an application to protect."""
