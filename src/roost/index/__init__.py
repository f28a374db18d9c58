"""The index of one home: what lists, trees and charts are answered from.

Rule: it follows the log in order and can be built from it again at any time.
"""
