#pragma once
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stddef.h>
#include <sys/prctl.h>

// VIR_DOMAIN_EVENT_CALLBACK is a cast in a macro, which Swift does not import. These keep each callback's type.

static inline int slipway_register_lifecycle_events(
    virConnectPtr connection, virConnectDomainEventCallback callback, void *context, virFreeCallback release) {
  return virConnectDomainEventRegisterAny(
      connection, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(callback), context, release);
}

static inline int slipway_register_io_error_events(
    virConnectPtr connection, virConnectDomainEventIOErrorReasonCallback callback, void *context,
    virFreeCallback release) {
  return virConnectDomainEventRegisterAny(
      connection, NULL, VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, VIR_DOMAIN_EVENT_CALLBACK(callback), context,
      release);
}

static inline int slipway_register_reboot_events(
    virConnectPtr connection, virConnectDomainEventGenericCallback callback, void *context,
    virFreeCallback release) {
  return virConnectDomainEventRegisterAny(
      connection, NULL, VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_CALLBACK(callback), context, release);
}

// prctl is variadic, which Swift does not import.

/// Makes this process the parent of its orphaned descendants. Returns 0, or -1 with errno set.
static inline int slipway_adopt_orphans(void) {
  return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}
