"""What each query shows on terminals of four widths, on the demo's history.

``make pictures`` draws them again; look at the differences before you commit them: each is what a
person reads.
"""
