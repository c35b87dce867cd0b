"""CatalogService on the wire: operators ask each process that follows a catalog for its state."""

from weft.common.v1 import catalog_pb2 as pb
from weft.common.v1 import catalog_pb2_grpc as rpc
from weft_kit.catalog.watch import WatchedCatalog
from weft_kit.rpc.server import Service


class CatalogServicer(rpc.CatalogServiceServicer):
    """Shows all problems of the catalog, so it is for operators, not for tenants."""

    def __init__(self, catalog: WatchedCatalog) -> None:
        self._catalog = catalog

    async def GetCatalogStatus(self, _request: pb.GetCatalogStatusRequest, _: object) -> pb.GetCatalogStatusResponse:
        return pb.GetCatalogStatusResponse(catalog=self._catalog.status(with_problems=True))


def catalog_service(catalog: WatchedCatalog) -> Service:
    """Returns the service of a process that follows this catalog."""
    add = rpc.add_CatalogServiceServicer_to_server
    return Service("weft.common.v1.CatalogService", add, CatalogServicer(catalog))
