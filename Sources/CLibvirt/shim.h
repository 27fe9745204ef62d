#pragma once
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stddef.h>

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
