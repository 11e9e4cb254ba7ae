"""The module ``SampleData``: sources are registered as in Slicer, made on the spot, never downloaded."""

from __future__ import annotations

import types
from typing import Any

import slicer


class SampleDataSource:
    """One sample data set. As in Slicer, all lists need one entry per URI, so ``uris`` may not be missing."""

    def __init__(
        self,
        sampleName: Any = None,
        sampleDescription: Any = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        checksums: Any = None,
        loadFiles: Any = None,
        customDownloader: Any = None,
        thumbnailFileName: Any = None,
        loadFileTypes: Any = None,
        loadFileProperties: Any = None,
        loadFileType: Any = None,
    ) -> None:
        if isinstance(uris, str):
            uris, fileNames, nodeNames = [uris], [fileNames], [nodeNames]
        elif uris is None:
            raise TypeError(
                f"sample data '{sampleName}': uris is None; Slicer needs one even when none is used"
            )
        nodeNames = nodeNames if nodeNames is not None else [None] * len(uris)
        if not len(uris) == len(fileNames) == len(nodeNames):
            raise ValueError(f"sample data '{sampleName}': uris, fileNames and nodeNames differ in length")
        self.sampleName = sampleName
        self.sampleDescription = sampleDescription or sampleName
        self.uris, self.fileNames, self.nodeNames = uris, fileNames, nodeNames
        self.checksums, self.loadFiles, self.loadFileProperties = (
            checksums,
            loadFiles,
            loadFileProperties or {},
        )
        self.loadFileTypes = loadFileTypes if loadFileTypes is not None else loadFileType
        self.customDownloader = customDownloader
        self.thumbnailFileName = thumbnailFileName


class SampleDataLogic:
    """Registers sources and makes them."""

    def __init__(self, logMessage: Any = None) -> None:
        self.logMessage = logMessage or (lambda *_: None)

    @staticmethod
    def registerCustomSampleDataSource(
        category: str = "Custom", sampleName: Any = None, **options: Any
    ) -> None:
        sources = slicer.modules.sampleDataSources.setdefault(category, [])
        if all(s.sampleName != sampleName for s in sources):
            sources.append(SampleDataSource(sampleName=sampleName, **options))

    @staticmethod
    def registerCustomSampleDataCategory(category: str, title: str) -> None:
        slicer.modules.sampleDataSources.setdefault(category, [])

    @staticmethod
    def sampleDataSourcesByCategory(category: str | None = None) -> Any:
        sources = slicer.modules.sampleDataSources
        return sources if category is None else sources.get(category, [])

    def sourceForSampleName(self, sampleName: str) -> SampleDataSource | None:
        every = [s for sources in slicer.modules.sampleDataSources.values() for s in sources]
        return next((s for s in every if s.sampleName == sampleName), None)

    def downloadFromSource(self, source: SampleDataSource) -> Any:
        # As in Slicer: only the Sample Data module's button calls a custom downloader.
        raise RuntimeError(f"the harness downloads nothing: {source.uris}")

    def press(self, sampleName: str) -> Any:
        """What the Sample Data module's button of that sample does."""
        source = self.sourceForSampleName(sampleName)
        if source is None or source.customDownloader is None:
            raise RuntimeError(f"no sample data named '{sampleName}' is made on the spot")
        return source.customDownloader(source)

    def downloadSamples(self, sampleName: str) -> Any:
        source = self.sourceForSampleName(sampleName)
        if source is None:
            raise RuntimeError(f"no sample data named '{sampleName}'")
        return self.downloadFromSource(source)

    def downloadSample(self, sampleName: str) -> Any:
        result = self.downloadSamples(sampleName)
        return result[0] if isinstance(result, list | tuple) and result else result


def module() -> types.ModuleType:
    sample_data = types.ModuleType("SampleData", __doc__)
    sample_data.__dict__.update(
        SampleDataLogic=SampleDataLogic,
        SampleDataSource=SampleDataSource,
        downloadSample=lambda name: SampleDataLogic().downloadSample(name),
        downloadSamples=lambda name: SampleDataLogic().downloadSamples(name),
    )
    return sample_data
