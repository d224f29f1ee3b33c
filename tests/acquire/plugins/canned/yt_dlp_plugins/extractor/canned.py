"""YouTube with its player API on the test's own server: all that judges the answers is yt-dlp's real code."""

from yt_dlp.extractor.youtube import YoutubeIE


class CannedYoutubeIE(YoutubeIE, plugin_name="canned"):
    def _call_api(self, ep, query, video_id, fatal=True, note=None, **unused):
        base = self._configuration_arg("server", casesense=True, ie_key="Youtube")[0]
        return self._download_json(f"{base}/player/{video_id}", video_id, note=note, fatal=fatal)
