class Error(ValueError):
    """What was wrong with bytes, files or arguments, with the trail that leads to the place:
    `model.onnx: node 'conv3' (Conv): attribute 'dilations': ...`

    `code` is 'bad_input', 'unsupported', 'not_found', 'io', 'limit' or 'stopped'.
    """

    def __init__(self, message: str, code: str = "bad_input") -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> "tuple[type[Error], tuple[str, str]]":
        return Error, (str(self), self.code)
