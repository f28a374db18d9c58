"""The class whose listener the zygote keeps shut."""


class GrpcServer:
    async def __aenter__(self) -> None:
        raise AssertionError("the gRPC port was opened")
