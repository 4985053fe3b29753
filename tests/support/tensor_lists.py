"""Tensors of models too large to be made: names and shapes."""

from lrmtest.models.gguf_header import GgufTensor


def tensors(shapes, type_="BF16"):
    return [GgufTensor(f"{name}.weight", shape, type_) for name, shape in shapes.items()]


def llama(layers, *, tied=False):
    """A dense model, in the manner of Llama."""
    shapes = {"token_embd": (256, 1000)} | ({} if tied else {"output": (256, 1000)})
    for number in range(layers):
        shapes |= {
            f"blk.{number}.attn_q": (256, 256),
            f"blk.{number}.attn_k": (256, 64),
            f"blk.{number}.attn_v": (256, 64),
            f"blk.{number}.attn_output": (256, 256),
            f"blk.{number}.ffn_gate": (256, 512),
            f"blk.{number}.ffn_up": (256, 512),
            f"blk.{number}.ffn_down": (512, 256),
        }
    return tensors(shapes)


def deepseek_r1():
    """DeepSeek-R1: 671e9 weights, three dense layers, 58 with 256 experts each."""
    shapes = {"token_embd": (7168, 129280), "output": (7168, 129280)}
    for number in range(61):
        parts = {
            "attn_q_a": (7168, 1536),
            "attn_q_b": (1536, 24576),
            "attn_kv_a_mqa": (7168, 576),
            "attn_kv_b": (512, 32768),
            "attn_output": (16384, 7168),
        }
        if number < 3:
            parts |= {"ffn_gate": (7168, 18432), "ffn_up": (7168, 18432), "ffn_down": (18432, 7168)}
        else:
            for kind, experts in (("exps", (256,)), ("shexp", ())):
                parts |= {
                    f"ffn_gate_{kind}": (7168, 2048, *experts),
                    f"ffn_up_{kind}": (7168, 2048, *experts),
                    f"ffn_down_{kind}": (2048, 7168, *experts),
                }
        shapes |= {f"blk.{number}.{part}": shape for part, shape in parts.items()}
    return tensors(shapes)
