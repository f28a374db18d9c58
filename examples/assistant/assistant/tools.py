"""What the assistant can do, each a traced function: search the docs, read a page, calculate.

Rule: a tool that fails raises; the span gets the error, the conversation gets the message.
"""

from collections.abc import Callable

from openinference.instrumentation import Document, OITracer, get_retriever_attributes
from opentelemetry import trace

from assistant.arithmetic import calculate
from assistant.library import Hit, Library

LIMIT = 3
PAGE_CHARS = 2_000

Tool = Callable[[str], str]


class Tools:
    def __init__(self, library: Library, tracer: OITracer) -> None:
        self._library = library
        self._retrieve = tracer.retriever(name="bm25")(self._ranked)
        self.search_docs: Tool = tracer.tool(
            name="search_docs", description="Find the sections that answer a question."
        )(self._search_docs)
        self.read_page: Tool = tracer.tool(
            name="read_page", description="Read one page of the docs, from its start."
        )(self._read_page)
        self.calculate: Tool = tracer.tool(
            name="calculate", description="Add, subtract, multiply and divide numbers."
        )(self._calculate)

    def _search_docs(self, query: str) -> str:
        hits = self._retrieve(query)
        return "\n\n".join(
            f"[{hit.section.page}] {hit.section.heading}\n{hit.section.text}" for hit in hits
        )

    def _ranked(self, query: str) -> list[Hit]:
        hits = self._library.search(query, LIMIT)
        documents = [_document(hit) for hit in hits]
        trace.get_current_span().set_attributes(get_retriever_attributes(documents=documents))
        return hits

    def _read_page(self, page: str) -> str:
        text = "\n\n".join(f"{one.heading}\n{one.text}" for one in self._library.read(page))
        return f"[{page}] {text}"[:PAGE_CHARS]

    def _calculate(self, expression: str) -> str:
        return f"{expression} = {calculate(expression)}"


def _document(hit: Hit) -> Document:
    return Document(
        id=f"{hit.section.page}#{hit.section.heading}",
        content=hit.section.text,
        score=hit.score,
        metadata={"page": hit.section.page, "heading": hit.section.heading},
    )
